// The short forms of operations in MLIR text (assemblyFormat in StablehloOps.td and ChloOps.td), one line each.
//
// Words stand for themselves; "~" for any blanks within one. "%" is an operand, "%*" a list of them, "(%*)" a list in
// brackets, "{}" the attributes in braces, ":types" the types of operands and results, "$name:kind" an attribute, and
// [[ … ]] may be left out.

/** Operations of StableHLO and MHLO whose short form is not "%* {} :types". */
export const hloSyntax: Readonly<Record<string, string>> = {
  all_reduce: "%* {} :types",
  after_all: "%* {} :types",
  broadcast: "% , sizes = $broadcast_sizes:integers {} :types",
  broadcast_in_dim: "% , dims = $broadcast_dimensions:integers {} :types",
  cholesky: "% [[,~lower = $lower:boolean]] {} :types",
  compare: "$comparison_direction:comparison_direction , % , % [[, $compare_type:comparison_type]] {} :types",
  composite: "$name:string %* {} :types",
  concatenate: "%* , dim = $dimension:i64 {} :types",
  constant: "{} $value:constant",
  convolution: "(%*) dim_numbers = $dimension_numbers:convolution , window = $window:window {} :types",
  custom_call: "$call_target_name:target (%*) {} :types",
  dot: "% , % [[,~precision = $precision_config:precisions]] {} :types",
  dot_general:
    "% , % [[,~batching_dims = $batching_dims:pair]] , contracting_dims = $contracting_dims:pair " +
    "[[,~precision = $precision_config:precisions]] [[,~algorithm = $algorithm:dot_algorithm]] {} :types",
  dynamic_broadcast_in_dim: "% , % , dims = $broadcast_dimensions:integers {} :types",
  dynamic_conv: "(%*) dim_numbers = $dimension_numbers:convolution , window = $window:window {} :types",
  dynamic_iota: "% , dim = $iota_dimension:i64 {} :types",
  dynamic_slice: "%* , sizes = $slice_sizes:integers {} :types",
  einsum: "% , % , config = $einsum_config:string {} :types",
  fft: "% , type = $fft_type:fft_type , length = $fft_length:integers {} :types",
  get_dimension_size: "% , dim = $dimension:i64 {} :types",
  get_tuple_element: "% [ $index:i32 ] {} :types",
  iota: "dim = $iota_dimension:i64 {} :types",
  outfeed: "%* {} :types",
  pad:
    "% , % , low = $edge_padding_low:integers , high = $edge_padding_high:integers , " +
    "interior = $interior_padding:integers {} :types",
  reduce: "$reduce:reduce",
  reduce_precision: "% , format = $format:precision_format {} :types",
  reverse: "% , dims = $dimensions:integers {} :types",
  rng: "%* , distribution = $rng_distribution:rng_distribution {} :types",
  rng_bit_generator: "% , algorithm = $rng_algorithm:rng_algorithm {} :types",
  set_dimension_size: "% , % , dim = $dimension:i64 {} :types",
  slice: "% $slice:slice {} :types",
  topk: "( % , k = $k:i64 [[,~largest = $largest:boolean]] ) {} :types",
  transpose: "% , dims = $permutation:integers {} :types",
  unary_einsum: "% , config = $einsum_config:string {} :types",
  while: "$while:while",
};

/** Short forms of the other dialects. */
export const otherSyntax: Readonly<Record<string, string>> = {
  "check.eq": "% , $value:attribute {}",
  "check.almost_eq": "% , $value:attribute {}",
  "check.expect_almost_eq": "% , % [[,~tolerance = $tolerance:number]] {} :types",
  "check.expect_almost_eq_const": "% , $value:attribute {}",
  "check.expect_close":
    "% , % [[,~max_ulp_difference = $max_ulp_difference:i64]] [[,~min_ulp_difference = $min_ulp_difference:i64]] " +
    "[[,~max_ulp_difference = $max_ulp_difference:i64]] {} :types",
  "check.expect_eq": "% , % {} :types",
  "check.expect_eq_const": "% , $value:attribute {}",
  "chlo.constant": "{} $value:constant",
  "chlo.top_k": "( % , k = $k:i64 ) {} :types",
  "func.call": "$callee:symbol (%*) {} :types",
  "func.func": "$function:function",
  "func.return": "%* {} [[:types]]",
  "builtin.module": "$module:module",
  "stablehlo.return": "%* {} [[:types]]",
  "mhlo.return": "%* {} [[:types]]",
  "chlo.return": "%* {} [[:types]]",
  "arith.constant": "{} $value:constant",
  "sdy.mesh": "$sym_name:symbol = $mesh:skipped",
  "sdy.return": "%* {} [[:types]]",
  "sdy.sharding_constraint": "% $sharding:skipped {} :types",
  "sdy.propagation_barrier": "% allowed_direction = $direction:word {} :types",
};

/** Names without a dialect. */
export const shortNames: Readonly<Record<string, string>> = {
  call: "func.call",
  return: "func.return",
  module: "builtin.module",
  func: "func.func",
};
