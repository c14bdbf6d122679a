// TensorFlow's messages, as far as inference needs them (tensorflow/core/framework/*.proto, core/protobuf/*.proto).

import {
  bool,
  bytes,
  double,
  enumeration,
  float,
  int32,
  int64,
  integer,
  map,
  message,
  type MessageOf,
  type MessageType,
  oneof,
  recursive,
  repeated,
  string,
  uint32,
  uint64,
  fixed32,
} from "../../../formats/protobuf.ts";
import { dataTypes } from "./types.ts";

const DataType = enumeration(dataTypes);

export const ShapeProto = message({
  dim: [2, repeated(message({ size: [1, integer], name: [2, string] }))],
  unknownRank: [3, bool],
});
export type ShapeProto = MessageOf<typeof ShapeProto>;

export const TensorProto = message({
  dtype: [1, DataType],
  tensorShape: [2, ShapeProto],
  tensorContent: [4, bytes],
  floatVal: [5, repeated(float)],
  doubleVal: [6, repeated(double)],
  intVal: [7, repeated(int32)],
  stringVal: [8, repeated(bytes)],
  scomplexVal: [9, repeated(float)],
  int64Val: [10, repeated(int64)],
  boolVal: [11, repeated(bool)],
  dcomplexVal: [12, repeated(double)],
  halfVal: [13, repeated(int32)],
  uint32Val: [16, repeated(uint32)],
  uint64Val: [17, repeated(uint64)],
});
export type TensorProto = MessageOf<typeof TensorProto>;

export interface NameAttrList {
  name: string;
  attr: Map<string, AttrValue>;
}
export interface ListValue {
  s: Uint8Array[];
  i: bigint[];
  f: number[];
  b: boolean[];
  type: number[];
  shape: ShapeProto[];
  tensor: TensorProto[];
  func: NameAttrList[];
}
export interface AttrFields {
  list: ListValue;
  s: Uint8Array;
  i: bigint;
  f: number;
  b: boolean;
  type: number;
  shape: ShapeProto;
  tensor: TensorProto;
  placeholder: string;
  func: NameAttrList;
}
export type AttrKind = keyof AttrFields;
export type AttrChoice = {
  [K in keyof AttrFields]: { readonly which: K; readonly value: AttrFields[K] };
}[keyof AttrFields];
export interface AttrValue {
  value: AttrChoice | undefined;
}

const NameAttrList: MessageType<NameAttrList> = message({
  name: [1, string],
  attr: [
    2,
    map(
      string,
      recursive(() => AttrValue),
    ),
  ],
});
const ListValue: MessageType<ListValue> = message({
  s: [2, repeated(bytes)],
  i: [3, repeated(int64)],
  f: [4, repeated(float)],
  b: [5, repeated(bool)],
  type: [6, repeated(DataType)],
  shape: [7, repeated(ShapeProto)],
  tensor: [8, repeated(TensorProto)],
  func: [9, repeated(NameAttrList)],
});
export const AttrValue: MessageType<AttrValue> = message({
  value: oneof({
    list: [1, ListValue],
    s: [2, bytes],
    i: [3, int64],
    f: [4, float],
    b: [5, bool],
    type: [6, DataType],
    shape: [7, ShapeProto],
    tensor: [8, TensorProto],
    placeholder: [9, string],
    func: [10, NameAttrList],
  }),
});

export const NodeDef = message({
  name: [1, string],
  op: [2, string],
  input: [3, repeated(string)],
  device: [4, string],
  attr: [5, map(string, AttrValue)],
});
export type NodeDef = MessageOf<typeof NodeDef>;

const ArgDef = message({
  name: [1, string],
  type: [3, DataType],
  typeAttr: [4, string],
  numberAttr: [5, string],
  typeListAttr: [6, string],
});

export const FunctionDef = message({
  signature: [
    1,
    message({
      name: [1, string],
      inputArg: [2, repeated(ArgDef)],
      outputArg: [3, repeated(ArgDef)],
      controlOutput: [20, repeated(string)],
    }),
  ],
  nodeDef: [3, repeated(NodeDef)],
  ret: [4, map(string, string)],
  attr: [5, map(string, AttrValue)],
  controlRet: [6, map(string, string)],
});
export type FunctionDef = MessageOf<typeof FunctionDef>;

export const GraphDef = message({
  node: [1, repeated(NodeDef)],
  library: [2, message({ function: [1, repeated(FunctionDef)] })],
  versions: [4, message({ producer: [1, int32], minConsumer: [2, int32] })],
});
export type GraphDef = MessageOf<typeof GraphDef>;

export const TensorInfo = message({
  name: [1, string],
  dtype: [2, DataType],
  tensorShape: [3, ShapeProto],
  cooSparse: [4, message({ valuesTensorName: [1, string] })],
  compositeTensor: [5, message({})],
});
export type TensorInfo = MessageOf<typeof TensorInfo>;

export const SignatureDef = message({
  inputs: [1, map(string, TensorInfo)],
  outputs: [2, map(string, TensorInfo)],
  methodName: [3, string],
  defaults: [4, map(string, TensorProto)],
});
export type SignatureDef = MessageOf<typeof SignatureDef>;

export const MetaGraph = message({
  metaInfo: [
    1,
    message({
      metaGraphVersion: [1, string],
      tags: [4, repeated(string)],
      tensorflowVersion: [5, string],
    }),
  ],
  graph: [2, GraphDef],
  saver: [3, message({ filenameTensorName: [1, string], saveTensorName: [2, string], restoreOpName: [3, string] })],
  collections: [4, map(string, message({ nodes: [1, message({ value: [1, repeated(string)] })] }))],
  signatures: [5, map(string, SignatureDef)],
});
export type MetaGraph = MessageOf<typeof MetaGraph>;

export const SavedModel = message({ schemaVersion: [1, int64], metaGraphs: [2, repeated(MetaGraph)] });

export const BundleHeader = message({ shards: [1, int32], endianness: [2, int32] });

const SliceProto = message({ extent: [1, repeated(message({ start: [1, integer], length: [2, integer] }))] });
export const BundleEntry = message({
  dtype: [1, DataType],
  shape: [2, ShapeProto],
  shard: [3, int32],
  offset: [4, integer],
  size: [5, integer],
  crc32c: [6, fixed32],
  slices: [7, repeated(SliceProto)],
});
export type BundleEntry = MessageOf<typeof BundleEntry>;

export const ObjectGraph = message({
  nodes: [
    1,
    repeated(
      message({
        attributes: [2, repeated(message({ name: [1, string], fullName: [2, string], checkpointKey: [3, string] }))],
      }),
    ),
  ],
});
