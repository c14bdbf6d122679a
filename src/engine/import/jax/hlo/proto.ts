// XLA's protocol buffers (hlo.proto, xla_data.proto): the fields that a computation needs.

import {
  bool,
  bytes,
  float,
  int32,
  int64,
  integer,
  type MessageOf,
  message,
  repeated,
  string,
  uint32,
  uint64,
  recursive,
  type MessageType,
} from "../../../../formats/protobuf.ts";

const integers = repeated(integer);

const LayoutProto = message({ minorToMajor: [1, integers] });

export interface ShapeMessage {
  elementType: number;
  dimensions: number[];
  tupleShapes: ShapeMessage[];
  dynamic: boolean[];
  layout: { minorToMajor: number[] } | undefined;
}
export const ShapeProto: MessageType<ShapeMessage> = message({
  elementType: [2, int32],
  dimensions: [3, integers],
  tupleShapes: [4, repeated(recursive<ShapeMessage>(() => ShapeProto))],
  dynamic: [6, repeated(bool)],
  layout: [5, LayoutProto],
});

/** Packed floats are kept as the bytes they are. */
const LiteralProto = message({
  shape: [1, ShapeProto],
  preds: [2, repeated(bool)],
  u8s: [3, bytes],
  s32s: [4, repeated(int32)],
  s64s: [5, repeated(int64)],
  u32s: [6, repeated(uint32)],
  u64s: [7, repeated(uint64)],
  f32s: [8, repeated(bytes)],
  f64s: [9, repeated(bytes)],
  f16s: [11, bytes],
  c64s: [12, repeated(bytes)],
  bf16s: [13, bytes],
  s8s: [15, bytes],
  u16s: [16, bytes],
  s16s: [17, bytes],
  c128s: [18, repeated(bytes)],
  s4s: [21, bytes],
  u4s: [22, bytes],
  s2s: [26, bytes],
  u2s: [27, bytes],
});
export type LiteralMessage = MessageOf<typeof LiteralProto>;

const WindowProto = message({
  dimensions: [
    1,
    repeated(
      message({
        size: [1, integer],
        stride: [2, integer],
        paddingLow: [3, integer],
        paddingHigh: [4, integer],
        windowDilation: [5, integer],
        baseDilation: [6, integer],
        reversal: [7, bool],
      }),
    ),
  ],
});

const InstructionProto = message({
  name: [1, string],
  opcode: [2, string],
  shape: [3, ShapeProto],
  metadata: [7, message({ opName: [2, string] })],
  literal: [8, LiteralProto],
  parameterNumber: [9, integer],
  tupleIndex: [13, integer],
  dimensions: [14, integers],
  window: [15, WindowProto],
  convolution: [
    16,
    message({
      kernel_input_feature_dimension: [3, integer],
      kernel_output_feature_dimension: [4, integer],
      kernel_spatial_dimensions: [6, integers],
      input_batch_dimension: [7, integer],
      input_feature_dimension: [8, integer],
      output_batch_dimension: [9, integer],
      output_feature_dimension: [10, integer],
      input_spatial_dimensions: [11, integers],
      output_spatial_dimensions: [12, integers],
    }),
  ],
  slices: [17, repeated(message({ start: [1, integer], limit: [2, integer], stride: [3, integer] }))],
  exponentBits: [18, int32],
  mantissaBits: [19, int32],
  dynamicSliceSizes: [20, integers],
  padding: [
    21,
    message({ dimensions: [1, repeated(message({ low: [1, integer], high: [2, integer], interior: [3, integer] }))] }),
  ],
  distribution: [23, int32],
  epsilon: [24, float],
  featureIndex: [25, integer],
  customCallTarget: [28, string],
  dot: [
    30,
    message({
      lhs_contracting_dimensions: [1, integers],
      rhs_contracting_dimensions: [2, integers],
      lhs_batching_dimensions: [3, integers],
      rhs_batching_dimensions: [4, integers],
    }),
  ],
  fftType: [31, int32],
  fftLength: [32, integers],
  gather: [
    33,
    message({
      offset_dims: [1, integers],
      collapsed_slice_dims: [2, integers],
      start_index_map: [3, integers],
      index_vector_dim: [4, integer],
      operand_batching_dims: [5, integers],
      start_indices_batching_dims: [6, integers],
    }),
  ],
  gatherSliceSizes: [34, integers],
  id: [35, integer],
  operandIds: [36, integers],
  calledIds: [38, integers],
  scatter: [
    48,
    message({
      update_window_dims: [1, integers],
      inserted_window_dims: [2, integers],
      scatter_dims_to_operand_dims: [3, integers],
      index_vector_dim: [4, integer],
      input_batching_dims: [5, integers],
      scatter_indices_batching_dims: [6, integers],
    }),
  ],
  backendConfig: [43, bytes],
  replicaGroups: [49, repeated(message({ ids: [1, integers] }))],
  featureGroups: [50, integer],
  batchGroups: [58, integer],
  triangularSolve: [
    59,
    message({ leftSide: [1, bool], lower: [2, bool], unitDiagonal: [3, bool], transposeA: [4, int32] }),
  ],
  isStable: [60, bool],
  cholesky: [62, message({ lower: [1, bool] })],
  comparisonDirection: [63, string],
  rngAlgorithm: [70, int32],
  comparisonType: [72, string],
  k: [81, integer],
  largest: [85, bool],
});
export type InstructionMessage = MessageOf<typeof InstructionProto>;

export const ComputationProto = message({
  name: [1, string],
  instructions: [2, repeated(InstructionProto)],
  id: [5, integer],
  rootId: [6, integer],
});
export type ComputationMessage = MessageOf<typeof ComputationProto>;

export const ModuleProto = message({
  name: [1, string],
  entryName: [2, string],
  computations: [3, repeated(ComputationProto)],
  entryId: [6, integer],
});
export type ModuleMessage = MessageOf<typeof ModuleProto>;
