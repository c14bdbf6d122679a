// Attributes and types of the VHLO dialect in bytecode (VhloBytecode.cpp), and the attributes that its operations have
// as properties, in the alphabetical order in which they are stored (VhloOps.td).

import { denseBytes } from "./dense.ts";
import { extentOf, ranked, widthOf } from "./builtin.ts";
import { type DialectDecoder, readFloat, readInteger } from "./encoding.ts";
import { type Attribute, functionType, i64, showType, tupleType, type Type } from "./module.ts";

/** Words of enumerations, by their numbers (VhloEnums.td). */
const words = {
  comparison_direction: ["EQ", "NE", "GE", "GT", "LE", "LT"],
  comparison_type: ["NOTYPE", "FLOAT", "TOTALORDER", "SIGNED", "UNSIGNED"],
  api_version: ["UNSPECIFIED", "ORIGINAL", "STATUS_RETURNING", "STATUS_RETURNING_UNIFIED", "TYPED_FFI"],
  fft_type: ["FFT", "IFFT", "RFFT", "IRFFT"],
  precision: ["DEFAULT", "HIGH", "HIGHEST"],
  rng_algorithm: ["DEFAULT", "THREE_FRY", "PHILOX"],
  rng_distribution: ["", "UNIFORM", "NORMAL"],
  transpose: ["TRANSPOSE_INVALID", "NO_TRANSPOSE", "TRANSPOSE", "ADJOINT"],
  result_accuracy_mode: ["DEFAULT", "HIGHEST", "TOLERANCE"],
} as const;

/** A word of an enumeration. */
export function word({ data }: DialectDecoder, name: keyof typeof words): Attribute {
  const number = data.varint();
  const value = words[name][number];
  return value ? { kind: "enum", name, value } : data.fail(`${name} ${number}`);
}

export const list = (values: readonly bigint[]): Attribute => ({ kind: "list", element: i64, values });
export const integer = (value: bigint): Attribute => ({ kind: "integer", value, type: i64 });
export const record = (name: string, fields: Readonly<Record<string, Attribute | undefined>>): Attribute => {
  const known = Object.entries(fields).filter((entry): entry is [string, Attribute] => entry[1] !== undefined);
  return { kind: "record", name, fields: new Map(known) };
};

export const double = (decoder: DialectDecoder): Attribute => ({
  kind: "float",
  value: readFloat(decoder.data, "f64"),
  type: { kind: "float", name: "f64" },
});

export function vhloAttribute(decoder: DialectDecoder): Attribute {
  const { data } = decoder;
  const code = data.varint();
  switch (code) {
    case 1:
      return { kind: "array", elements: decoder.attributes() };
    case 2:
      return { kind: "boolean", value: data.varint() === 1 };
    case 3:
      return word(decoder, "comparison_direction");
    case 4:
      return word(decoder, "comparison_type");
    case 5:
      return word(decoder, "api_version");
    case 6: {
      const entries = new Map<string, Attribute>();
      for (let count = data.count(); count > 0; count--) {
        const name = decoder.attribute();
        entries.set(name.kind === "string" ? name.value : data.fail("a string expected"), decoder.attribute());
      }
      return { kind: "dictionary", entries };
    }
    case 7:
      return word(decoder, "fft_type");
    case 8: {
      const type = decoder.type();
      return { kind: "float", value: readFloat(data, type.kind === "float" ? type.name : "none"), type };
    }
    case 9: {
      const type = decoder.type();
      const width = widthOf(type);
      if (width === 0) data.fail(`an integer of type ${showType(type)}`);
      const bits = readInteger(data, width);
      const unsigned = type.kind === "integer" && type.sign === "u";
      return { kind: "integer", value: unsigned ? BigInt.asUintN(width, bits) : BigInt.asIntN(width, bits), type };
    }
    case 10:
      return record("output_operand_alias", {
        output_tuple_indices: list(data.integers()),
        operand_index: integer(data.signed()),
        operand_tuple_indices: list(data.integers()),
      });
    case 11:
      return word(decoder, "precision");
    case 12:
      return word(decoder, "rng_algorithm");
    case 13:
      return word(decoder, "rng_distribution");
    case 14:
      return { kind: "string", value: decoder.string() };
    case 15: {
      const type = ranked(decoder);
      return denseBytes(type, decoder.blob());
    }
    case 16:
      return word(decoder, "transpose");
    case 17:
      return { kind: "type", type: decoder.type() };
    case 18:
      return record("type_extensions", { bounds: list(data.integers()) });
    case 19:
      return word(decoder, "result_accuracy_mode");
    case 20:
      return record("result_accuracy", {
        atol: double(decoder),
        rtol: double(decoder),
        ulps: integer(data.signed()),
        mode: decoder.attribute(),
      });
    case 21:
      return list([data.signed(), data.signed()]);
    case 22: {
      const name = decoder.attribute();
      return record("axis_ref", { name, sub_axis_info: data.varint() === 1 ? decoder.attribute() : undefined });
    }
    case 23: {
      const mesh = decoder.attribute();
      const axes = decoder.attribute();
      const symbol: Attribute = mesh.kind === "string" ? { kind: "symbol", value: mesh.value } : mesh;
      return record("replica_group_mesh_axes", { mesh: symbol, axes });
    }
    default:
      return data.fail(`VHLO attribute of code ${code}`);
  }
}

/** Scalar types by their codes. */
const scalars: Readonly<Record<number, string>> = {
  ...{ 0: "i1", 2: "bf16", 3: "f16", 4: "f32", 5: "f64", 6: "f8E4M3FN", 7: "f8E5M2", 9: "index" },
  ...{ 10: "i4", 11: "i8", 12: "i16", 13: "i32", 14: "i64", 15: "ui4", 16: "ui8", 17: "ui16", 18: "ui32", 19: "ui64" },
  ...{ 22: "token", 27: "f8E4M3FNUZ", 28: "f8E5M2FNUZ", 29: "f8E4M3B11FNUZ", 31: "i2", 32: "ui2", 33: "none" },
  ...{ 34: "tf32", 35: "f8E4M3", 36: "f8E3M4", 37: "f4E2M1FN", 38: "f6E2M3FN", 39: "f6E3M2FN", 40: "f8E8M0FNU" },
};

function scalarType(name: string): Type {
  if (name === "index" || name === "token" || name === "none") return { kind: name };
  const integers = /^(u?)i(\d+)$/.exec(name);
  if (!integers) return { kind: "float", name };
  return { kind: "integer", width: Number(integers[2]), sign: integers[1] ? "u" : "" };
}

/** Quantised types say with their lowest flag that the storage is signed. */
function storageOf(type: Type, flags: number): Type {
  return type.kind === "integer" && (flags & 1) === 0 ? { ...type, sign: "u" } : type;
}

/** A quantised type, with one scale or with several along an axis: as VHLO and the quant dialect encode it. */
export function quantizedType(decoder: DialectDecoder, options: { axis: boolean }): Type {
  const { data } = decoder;
  const flags = data.varint();
  const storage = storageOf(decoder.type(), flags);
  const expressed = decoder.type();
  if (!options.axis) {
    const scales = [readFloat(data, "f64")];
    const zeroPoints = [data.signed()];
    const [min, max] = [data.signed(), data.signed()];
    return { kind: "quantized", storage, expressed, min, max, dimension: undefined, scales, zeroPoints };
  }
  const dimension = data.varint();
  const [min, max] = [data.signed(), data.signed()];
  const scales = Array.from({ length: data.count() }, () => readFloat(data, "f64"));
  const zeroPoints = data.integers();
  if (scales.length !== zeroPoints.length) data.fail(`${scales.length} scales, ${zeroPoints.length} zero points`);
  return { kind: "quantized", storage, expressed, min, max, dimension, scales, zeroPoints };
}

export function vhloType(decoder: DialectDecoder): Type {
  const { data } = decoder;
  const code = data.varint();
  const name = scalars[code];
  if (name !== undefined) return scalarType(name);
  switch (code) {
    case 1:
      return { kind: "complex", element: decoder.type() };
    case 8:
      return functionType(decoder.types(), decoder.types());
    case 20:
      return { kind: "tensor", shape: data.integers().map(extentOf), element: decoder.type() };
    case 21: {
      const encoding = decoder.attribute();
      return { kind: "tensor", shape: data.integers().map(extentOf), element: decoder.type(), encoding };
    }
    case 23:
      return tupleType(decoder.types());
    case 24:
      return quantizedType(decoder, { axis: false });
    case 25:
      return { kind: "unranked", element: decoder.type() };
    case 26:
      return { kind: "opaque", text: "!shape.witness" };
    case 30:
      return quantizedType(decoder, { axis: true });
    case 41: {
      const extents = data.integers().map(extentOf);
      const shape = extents.map((extent) => `${extent ?? "?"}x`).join("");
      return { kind: "opaque", text: `memref<${shape}${showType(decoder.type())}>` };
    }
    case 42:
      return { kind: "opaque", text: "!stablehlo.future", elements: decoder.types() };
    default:
      return data.fail(`VHLO type of code ${code}`);
  }
}

const convolution =
  "batch_group_count feature_group_count input_batch_dimension input_feature_dimension input_spatial_dimensions " +
  "kernel_input_feature_dimension kernel_output_feature_dimension kernel_spatial_dimensions lhs_dilation " +
  "output_batch_dimension output_feature_dimension output_spatial_dimensions ";
const custom =
  "api_version backend_config call_target_name called_computations has_side_effect operand_layouts " +
  "output_operand_aliases result_layouts";

/** Attributes of operations by name; those that are not here have none, or `result_accuracy` from their second version. */
const properties: Readonly<Record<string, string>> = {
  all_gather_v1: "all_gather_dim channel_id replica_groups use_global_device_ids",
  all_gather_v2: "all_gather_dim channel_id replica_groups use_global_device_ids",
  all_reduce_v1: "channel_id replica_groups use_global_device_ids",
  all_reduce_v2: "channel_id replica_groups use_global_device_ids",
  all_to_all_v1: "channel_id concat_dimension replica_groups split_count split_dimension",
  all_to_all_v2: "channel_id concat_dimension replica_groups split_count split_dimension",
  batch_norm_grad_v1: "epsilon feature_index",
  batch_norm_inference_v1: "epsilon feature_index",
  batch_norm_training_v1: "epsilon feature_index",
  broadcast_in_dim_v1: "broadcast_dimensions",
  broadcast_v1: "broadcast_sizes",
  call_v1: "callee",
  cholesky_v1: "lower",
  collective_broadcast_v1: "channel_id replica_groups",
  collective_permute_v1: "channel_id source_target_pairs",
  compare_v1: "compare_type comparison_direction",
  composite_v1: "composite_attributes decomposition name version",
  composite_v2: "composite_attributes decomposition name version",
  concatenate_v1: "dimension",
  constant_v1: "value",
  convolution_v1: `${convolution}padding precision_config rhs_dilation window_reversal window_strides`,
  "cross-replica-sum_v1": "replica_groups",
  custom_call_v1: custom,
  custom_call_v2: `${custom} result_tilings`,
  dot_general_v1:
    "lhs_batching_dimensions lhs_contracting_dimensions precision_config rhs_batching_dimensions " +
    "rhs_contracting_dimensions",
  dot_general_v2:
    "accumulation_type allow_imprecise_accumulation lhs_batching_dimensions lhs_component_count " +
    "lhs_contracting_dimensions lhs_precision_type num_primitive_operations precision_config " +
    "rhs_batching_dimensions rhs_component_count rhs_contracting_dimensions rhs_precision_type",
  dot_v1: "precision_config",
  dynamic_broadcast_in_dim_v1: "broadcast_dimensions known_expanding_dimensions known_nonexpanding_dimensions",
  dynamic_conv_v1: `${convolution}padding precision_config rhs_dilation window_reversal window_strides`,
  dynamic_conv_v2: `${convolution}precision_config rhs_dilation window_reversal window_strides`,
  dynamic_gather_v1: "collapsed_slice_dims index_vector_dim indices_are_sorted offset_dims start_index_map",
  dynamic_gather_v2:
    "collapsed_slice_dims index_vector_dim indices_are_sorted offset_dims operand_batching_dims start_index_map " +
    "start_indices_batching_dims",
  dynamic_iota_v1: "iota_dimension",
  dynamic_slice_v1: "slice_sizes",
  einsum_v1: "einsum_config",
  fft_v1: "fft_length fft_type",
  func_v1: "arg_attrs function_type res_attrs sym_name sym_visibility",
  gather_v1: "collapsed_slice_dims index_vector_dim indices_are_sorted offset_dims slice_sizes start_index_map",
  gather_v2:
    "collapsed_slice_dims index_vector_dim indices_are_sorted offset_dims operand_batching_dims slice_sizes " +
    "start_index_map start_indices_batching_dims",
  get_dimension_size_v1: "dimension",
  get_tuple_element_v1: "index",
  infeed_v1: "infeed_config layout",
  iota_v1: "iota_dimension",
  map_v1: "dimensions",
  outfeed_v1: "outfeed_config",
  pad_v1: "edge_padding_high edge_padding_low interior_padding",
  recv_v1: "channel_id channel_type is_host_transfer",
  recv_v2: "channel_id channel_type is_host_transfer source_target_pairs",
  reduce_precision_v1: "exponent_bits mantissa_bits",
  reduce_scatter_v1: "channel_id replica_groups scatter_dimension use_global_device_ids",
  reduce_v1: "dimensions",
  reduce_window_v1: "base_dilations padding window_dilations window_dimensions window_strides",
  reverse_v1: "dimensions",
  rng_bit_generator_v1: "rng_algorithm",
  rng_v1: "rng_distribution",
  scatter_v1:
    "index_vector_dim indices_are_sorted inserted_window_dims scatter_dims_to_operand_dims unique_indices " +
    "update_window_dims",
  scatter_v2:
    "index_vector_dim indices_are_sorted input_batching_dims inserted_window_dims scatter_dims_to_operand_dims " +
    "scatter_indices_batching_dims unique_indices update_window_dims",
  select_and_scatter_v1: "padding window_dimensions window_strides",
  send_v1: "channel_id channel_type is_host_transfer",
  send_v2: "channel_id channel_type is_host_transfer source_target_pairs",
  set_dimension_size_v1: "dimension",
  slice_v1: "limit_indices start_indices strides",
  sort_v1: "dimension is_stable",
  torch_index_select_v1: "batch_dims dim",
  transpose_v1: "permutation",
  triangular_solve_v1: "left_side lower transpose_a unit_diagonal",
  unary_einsum_v1: "einsum_config",
};

/** The names of an operation's properties. */
export function vhloProperties(name: string): readonly string[] {
  const names = Object.hasOwn(properties, name) ? properties[name] : undefined;
  if (names !== undefined) return names.split(" ");
  return name.endsWith("_v2") ? ["result_accuracy"] : [];
}
