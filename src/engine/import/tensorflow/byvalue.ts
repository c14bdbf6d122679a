// Inputs whose numbers decide shapes: found by walking back from where operations need sizes to the placeholders.

import { calledBy, type Edge, type Graph, type Library } from "./graph.ts";

/** Which inputs of operations have to be known while a model is built. */
const sizes: Readonly<Record<string, readonly number[]>> = {
  BatchToSpaceND: [1, 2],
  BroadcastTo: [1],
  Conv2DBackpropInput: [0],
  Conv3DBackpropInputV2: [0],
  CropAndResize: [3],
  DepthwiseConv2dNativeBackpropInput: [0],
  Empty: [0],
  ExpandDims: [1],
  Fill: [0],
  IRFFT: [1],
  IRFFT2D: [1],
  ImageProjectiveTransformV3: [2],
  LinSpace: [0, 1, 2],
  MirrorPad: [1],
  OneHot: [1],
  Pad: [1],
  PadV2: [1],
  RFFT: [1],
  RandomStandardNormal: [0],
  RandomUniform: [0],
  Range: [0, 1, 2],
  Reshape: [1],
  ResizeArea: [1],
  ResizeBicubic: [1],
  ResizeBilinear: [1],
  ResizeNearestNeighbor: [1],
  ScatterNd: [2],
  Slice: [2],
  SpaceToBatchND: [1, 2],
  SplitV: [1],
  StatelessRandomNormalV2: [0],
  StatelessRandomUniformV2: [0],
  TensorListReserve: [1],
  TensorListResize: [1],
  TensorArrayV3: [0],
  Tile: [1],
  TopKV2: [1],
  Transpose: [1],
  UnsortedSegmentSum: [2],
  Where: [0],
};
/** Their result says nothing about the numbers that went in. */
const opaque = new Set(["Shape", "ShapeN", "Size", "Rank", "Const", "VariableShape", "TensorListLength"]);
const calls = new Set(["PartitionedCall", "StatefulPartitionedCall"]);
const maximumDepth = 100;

/** The nodes without inputs that sizes in a graph are computed from. */
function sourcesOf(library: Library, graph: Graph, seen: Map<Graph, ReadonlySet<string>>, depth: number): Set<string> {
  const starts: Edge[] = [];
  for (const node of graph.nodes.values()) {
    for (const i of sizes[node.op] ?? []) {
      const edge = node.inputs[i];
      if (edge) starts.push(edge);
    }
    if (!calls.has(node.op) || depth >= maximumDepth) continue;
    for (const name of calledBy(node)) {
      const inner = library.function(name);
      if (!inner) continue;
      let known = seen.get(inner);
      if (!known) {
        // Functions that call themselves find nothing new.
        seen.set(inner, new Set());
        known = sourcesOf(library, inner, seen, depth + 1);
        seen.set(inner, known);
      }
      inner.parameters.forEach((parameter, i) => {
        const edge = node.inputs[i];
        if (edge && known.has(parameter)) starts.push(edge);
      });
    }
  }
  const visited = new Set<string>();
  const found = new Set<string>();
  const stack = starts.map((edge) => edge.node);
  while (stack.length > 0) {
    const name = stack.pop()!;
    const node = graph.nodes.get(name);
    if (!node || visited.has(name)) continue;
    visited.add(name);
    if (opaque.has(node.op)) continue;
    if (node.inputs.length === 0 || node.op === "PlaceholderWithDefault") found.add(name);
    for (const edge of node.inputs) stack.push(edge.node);
  }
  return found;
}

/** Names of nodes in the graph whose numbers decide shapes. */
export function decideShapes(library: Library): ReadonlySet<string> {
  return sourcesOf(library, library.graph, new Map(), 0);
}
