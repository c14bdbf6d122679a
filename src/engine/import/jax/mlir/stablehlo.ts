// Attributes and types of the StableHLO, CHLO and quant dialects in bytecode (StablehloBytecode.cpp, ChloBytecode.cpp,
// QuantDialectBytecode.td), and the properties of their operations in the order in which they are stored.

import type { DialectDecoder } from "./encoding.ts";
import type { Attribute, Type } from "./module.ts";
import { double, integer, list, quantizedType, record, word } from "./vhlo.ts";

export function stablehloAttribute(decoder: DialectDecoder): Attribute {
  const { data } = decoder;
  const lists = (...names: string[]) => names.map((name) => [name, list(data.integers())] as const);
  const one = (name: string) => [name, integer(data.signed())] as const;
  const build = (name: string, ...fields: (readonly [string, Attribute])[]) => record(name, Object.fromEntries(fields));
  const code = data.varint();
  switch (code) {
    case 1:
      return build("channel_handle", one("handle"), one("type"));
    case 2:
      return word(decoder, "comparison_direction");
    case 3:
      return word(decoder, "comparison_type");
    case 4:
      return build(
        "conv",
        ...["input_", "kernel_input_", "output_"].flatMap((part) => [
          one(part === "kernel_input_" ? "kernel_input_feature_dimension" : `${part}batch_dimension`),
          one(part === "kernel_input_" ? "kernel_output_feature_dimension" : `${part}feature_dimension`),
          ...lists(part === "kernel_input_" ? "kernel_spatial_dimensions" : `${part}spatial_dimensions`),
        ]),
      );
    case 5:
      return build(
        "dot",
        ...lists(
          "lhs_batching_dimensions",
          "rhs_batching_dimensions",
          "lhs_contracting_dimensions",
          "rhs_contracting_dimensions",
        ),
      );
    case 6:
      return word(decoder, "fft_type");
    case 7:
      return build(
        "gather",
        ...lists(
          "offset_dims",
          "collapsed_slice_dims",
          "operand_batching_dims",
          "start_indices_batching_dims",
          "start_index_map",
        ),
        one("index_vector_dim"),
      );
    case 8:
      return word(decoder, "precision");
    case 9:
      return word(decoder, "rng_algorithm");
    case 10:
      return word(decoder, "rng_distribution");
    case 11:
      return build(
        "scatter",
        ...lists(
          "update_window_dims",
          "inserted_window_dims",
          "input_batching_dims",
          "scatter_indices_batching_dims",
          "scatter_dims_to_operand_dims",
        ),
        one("index_vector_dim"),
      );
    case 12:
      return word(decoder, "transpose");
    case 13:
      return build("type_extensions", ...lists("bounds"));
    case 14:
      return build(
        "output_operand_alias",
        ...lists("output_tuple_indices"),
        one("operand_index"),
        ...lists("operand_tuple_indices"),
      );
    case 15: {
      const type = (name: string) => [name, { kind: "type", type: decoder.type() }] as const;
      return build(
        "dot_algorithm",
        type("lhs_precision_type"),
        type("rhs_precision_type"),
        type("accumulation_type"),
        one("lhs_component_count"),
        one("rhs_component_count"),
        one("num_primitive_operations"),
        ["allow_imprecise_accumulation", { kind: "boolean", value: data.u8() !== 0 }],
      );
    }
    case 16:
      return word(decoder, "result_accuracy_mode");
    case 17:
      return record("result_accuracy", {
        atol: double(decoder),
        rtol: double(decoder),
        ulps: integer(data.signed()),
        mode: decoder.attribute(),
      });
    default:
      // Meshes of devices: nothing here looks into them.
      return { kind: "opaque", text: `#stablehlo.${code}` };
  }
}

export function chloAttribute(decoder: DialectDecoder): Attribute {
  return word(decoder, decoder.data.varint() === 0 ? "comparison_direction" : "comparison_type");
}

export function stablehloType(decoder: DialectDecoder): Type {
  if (decoder.data.varint() === 0) return { kind: "token" };
  return { kind: "opaque", text: "!stablehlo.future", elements: decoder.types() };
}

export function quantType(decoder: DialectDecoder): Type {
  const code = decoder.data.varint();
  if (code !== 3 && code !== 4) return { kind: "opaque", text: `!quant.${code}` };
  return quantizedType(decoder, { axis: code === 4 });
}

const window = "lhs_dilation? padding? precision_config? rhs_dilation? window_reversal? window_strides?";

/** Properties by operation; those with "?" may be missing. */
const properties: Readonly<Record<string, string>> = {
  "builtin.module": "sym_name? sym_visibility?",
  "func.func": "arg_attrs? function_type no_inline? res_attrs? sym_name sym_visibility?",
  "func.call": "arg_attrs? callee no_inline? res_attrs?",
  "stablehlo.all_gather": "all_gather_dim channel_handle? replica_groups use_global_device_ids?",
  "stablehlo.all_reduce": "channel_handle? replica_groups use_global_device_ids?",
  "stablehlo.all_to_all": "channel_handle? concat_dimension replica_groups split_count split_dimension",
  "stablehlo.batch_norm_grad": "epsilon feature_index",
  "stablehlo.batch_norm_inference": "epsilon feature_index",
  "stablehlo.batch_norm_training": "epsilon feature_index",
  "stablehlo.broadcast_in_dim": "broadcast_dimensions",
  "stablehlo.broadcast": "broadcast_sizes",
  "stablehlo.cbrt": "result_accuracy?",
  "stablehlo.cholesky": "lower?",
  "stablehlo.collective_broadcast": "channel_handle? replica_groups",
  "stablehlo.collective_permute": "channel_handle? source_target_pairs",
  "stablehlo.compare": "compare_type? comparison_direction",
  "stablehlo.composite": "composite_attributes? decomposition name version?",
  "stablehlo.concatenate": "dimension",
  "stablehlo.constant": "value",
  "stablehlo.convolution": `batch_group_count dimension_numbers feature_group_count ${window}`,
  "stablehlo.cosine": "result_accuracy?",
  "stablehlo.cross-replica-sum": "replica_groups",
  "stablehlo.custom_call":
    "api_version? backend_config? call_target_name called_computations? has_side_effect? operand_layouts? " +
    "output_operand_aliases? result_layouts? result_tilings?",
  "stablehlo.dot_general": "algorithm? dot_dimension_numbers precision_config?",
  "stablehlo.dot": "precision_config?",
  "stablehlo.dynamic_broadcast_in_dim":
    "broadcast_dimensions known_expanding_dimensions? known_nonexpanding_dimensions?",
  "stablehlo.dynamic_conv":
    "batch_group_count dimension_numbers feature_group_count lhs_dilation? precision_config? rhs_dilation? " +
    "window_reversal? window_strides?",
  "stablehlo.dynamic_gather": "dimension_numbers indices_are_sorted?",
  "stablehlo.dynamic_iota": "iota_dimension",
  "stablehlo.dynamic_slice": "slice_sizes",
  "stablehlo.einsum": "einsum_config",
  "stablehlo.exponential": "result_accuracy?",
  "stablehlo.exponential_minus_one": "result_accuracy?",
  "stablehlo.fft": "fft_length fft_type",
  "stablehlo.gather": "dimension_numbers indices_are_sorted? slice_sizes",
  "stablehlo.get_dimension_size": "dimension",
  "stablehlo.get_tuple_element": "index",
  "stablehlo.infeed": "infeed_config? layout?",
  "stablehlo.iota": "iota_dimension",
  "stablehlo.log_plus_one": "result_accuracy?",
  "stablehlo.log": "result_accuracy?",
  "stablehlo.logistic": "result_accuracy?",
  "stablehlo.map": "dimensions",
  "stablehlo.outfeed": "outfeed_config?",
  "stablehlo.pad": "edge_padding_high edge_padding_low interior_padding",
  "stablehlo.recv": "channel_handle is_host_transfer? source_target_pairs?",
  "stablehlo.reduce": "dimensions",
  "stablehlo.reduce_precision": "exponent_bits mantissa_bits",
  "stablehlo.reduce_scatter": "channel_handle? replica_groups scatter_dimension use_global_device_ids?",
  "stablehlo.reduce_window": "base_dilations? padding? window_dilations? window_dimensions window_strides?",
  "stablehlo.reverse": "dimensions",
  "stablehlo.rng_bit_generator": "rng_algorithm",
  "stablehlo.rng": "rng_distribution",
  "stablehlo.rsqrt": "result_accuracy?",
  "stablehlo.scatter": "indices_are_sorted? scatter_dimension_numbers unique_indices?",
  "stablehlo.select_and_scatter": "padding? window_dimensions? window_strides?",
  "stablehlo.send": "channel_handle is_host_transfer? source_target_pairs?",
  "stablehlo.set_dimension_size": "dimension",
  "stablehlo.sine": "result_accuracy?",
  "stablehlo.slice": "limit_indices start_indices strides",
  "stablehlo.sort": "dimension? is_stable?",
  "stablehlo.sqrt": "result_accuracy?",
  "stablehlo.tan": "result_accuracy?",
  "stablehlo.tanh": "result_accuracy?",
  "stablehlo.torch_index_select": "batch_dims dim",
  "stablehlo.transpose": "permutation",
  "stablehlo.triangular_solve": "left_side lower transpose_a unit_diagonal",
  "stablehlo.unary_einsum": "einsum_config",
  "chlo.broadcast_compare": "broadcast_dimensions? compare_type? comparison_direction",
  "chlo.constant": "value",
  "chlo.constant_like": "value",
  "chlo.top_k": "k",
};

/** The properties of a registered operation in their order; undefined for operations that are not known here. */
export function knownProperties(name: string): { key: string; required: boolean }[] | undefined {
  const written = Object.hasOwn(properties, name)
    ? properties[name]!
    : name.startsWith("chlo.broadcast_")
      ? "broadcast_dimensions?"
      : undefined;
  return written?.split(" ").map((key) => ({ key: key.replace("?", ""), required: !key.endsWith("?") }));
}
