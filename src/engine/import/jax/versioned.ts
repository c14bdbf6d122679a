// VHLO, the versioned copy of StableHLO that portable artifacts hold, as StableHLO (VhloToStablehlo's correspondence):
// names lose their versions, numbers that VHLO spreads over attributes come together again.

import { denseIntegers } from "./mlir/dense.ts";
import { type Attribute, type Attributes, i32, i64, type Operation, type Region } from "./mlir/module.ts";

/** Integer tensors that StableHLO writes as lists. */
const lists = new Set(
  (
    "broadcast_dimensions broadcast_sizes dimensions edge_padding_high edge_padding_low interior_padding fft_length " +
    "known_expanding_dimensions known_nonexpanding_dimensions lhs_dilation rhs_dilation limit_indices start_indices " +
    "strides permutation slice_sizes window_dimensions window_strides base_dilations window_dilations " +
    "window_reversal input_spatial_dimensions kernel_spatial_dimensions output_spatial_dimensions offset_dims " +
    "collapsed_slice_dims operand_batching_dims start_indices_batching_dims start_index_map update_window_dims " +
    "inserted_window_dims input_batching_dims scatter_indices_batching_dims scatter_dims_to_operand_dims " +
    "lhs_batching_dimensions rhs_batching_dimensions lhs_contracting_dimensions rhs_contracting_dimensions"
  ).split(" "),
);

/** Attributes that are the parts of one in StableHLO. */
interface Group {
  readonly into: string;
  readonly record: string;
  readonly parts: readonly string[];
}

const convolution: Group = {
  into: "dimension_numbers",
  record: "conv",
  parts: (
    "input_batch_dimension input_feature_dimension input_spatial_dimensions kernel_input_feature_dimension " +
    "kernel_output_feature_dimension kernel_spatial_dimensions output_batch_dimension output_feature_dimension " +
    "output_spatial_dimensions"
  ).split(" "),
};
const gather: Group = {
  into: "dimension_numbers",
  record: "gather",
  parts: (
    "offset_dims collapsed_slice_dims operand_batching_dims start_indices_batching_dims start_index_map " +
    "index_vector_dim"
  ).split(" "),
};
const groups: Readonly<Record<string, readonly Group[]>> = {
  convolution: [convolution],
  dynamic_conv: [convolution],
  gather: [gather],
  dynamic_gather: [gather],
  scatter: [
    {
      into: "scatter_dimension_numbers",
      record: "scatter",
      parts: (
        "update_window_dims inserted_window_dims input_batching_dims scatter_indices_batching_dims " +
        "scatter_dims_to_operand_dims index_vector_dim"
      ).split(" "),
    },
  ],
  dot_general: [
    {
      into: "dot_dimension_numbers",
      record: "dot",
      parts:
        "lhs_batching_dimensions rhs_batching_dimensions lhs_contracting_dimensions rhs_contracting_dimensions".split(
          " ",
        ),
    },
    {
      into: "algorithm",
      record: "dot_algorithm",
      parts: (
        "lhs_precision_type rhs_precision_type accumulation_type lhs_component_count rhs_component_count " +
        "num_primitive_operations allow_imprecise_accumulation"
      ).split(" "),
    },
  ],
};

/** Strings that are names of functions. */
const symbols = new Set(["callee", "decomposition"]);

function plain(name: string, attribute: Attribute): Attribute {
  if (lists.has(name) && attribute.kind === "dense") {
    const element = attribute.type.element.kind === "integer" ? attribute.type.element : i64;
    return { kind: "list", element, values: denseIntegers(attribute).map(BigInt) };
  }
  if (symbols.has(name) && attribute.kind === "string") return { kind: "symbol", value: attribute.value };
  if (name === "called_computations" && attribute.kind === "array") {
    return { kind: "array", elements: attribute.elements.map((each) => plain("callee", each)) };
  }
  if (name === "api_version" && attribute.kind === "enum") {
    const order = ["UNSPECIFIED", "ORIGINAL", "STATUS_RETURNING", "STATUS_RETURNING_UNIFIED", "TYPED_FFI"];
    const value = order.indexOf(attribute.value.replace(/^API_VERSION_/, ""));
    return { kind: "integer", value: BigInt(Math.max(value, 0)), type: i32 };
  }
  return attribute;
}

function attributesOf(name: string, given: Attributes): Attributes {
  const attributes = new Map<string, Attribute>();
  for (const [key, value] of given) attributes.set(key, plain(key, value));
  for (const { into, record, parts } of groups[name] ?? []) {
    const fields = new Map<string, Attribute>();
    for (const part of parts) {
      const value = attributes.get(part);
      attributes.delete(part);
      // Types that are none: the algorithm is left open.
      const none = value?.kind === "type" && value.type.kind === "none";
      if (value !== undefined && !none) fields.set(part, value);
    }
    if (fields.size > 0 && (record !== "dot_algorithm" || fields.has("accumulation_type"))) {
      attributes.set(into, { kind: "record", name: record, fields });
    }
  }
  const channel = attributes.get("channel_id");
  if (channel) {
    const fields = new Map<string, Attribute>([
      ["handle", channel],
      ["type", attributes.get("channel_type") ?? { kind: "integer", value: 0n, type: i64 }],
    ]);
    attributes.delete("channel_id");
    attributes.delete("channel_type");
    attributes.set("channel_handle", { kind: "record", name: "channel_handle", fields });
  }
  return attributes;
}

const dialectOf: Readonly<Record<string, string>> = { func: "func.func", call: "func.call" };

function operationOf(operation: Operation, parent: string): Operation {
  const versioned = /^vhlo\.(.+?)_v\d+$/.exec(operation.name);
  const short = versioned?.[1];
  const regions = operation.regions.map((region): Region => regionOf(region, operation.name));
  if (short === undefined) return { ...operation, regions };
  const name =
    short === "return"
      ? parent.startsWith("vhlo.func")
        ? "func.return"
        : "stablehlo.return"
      : (dialectOf[short] ?? `stablehlo.${short}`);
  return { ...operation, name, attributes: attributesOf(short, operation.attributes), regions };
}

function regionOf({ blocks }: Region, parent: string): Region {
  return {
    blocks: blocks.map(({ parameters, operations }) => ({
      parameters,
      operations: operations.map((operation) => operationOf(operation, parent)),
    })),
  };
}

/** A module in which VHLO's operations are StableHLO's. */
export function withoutVersions(module: Operation): Operation {
  return operationOf(module, "");
}
