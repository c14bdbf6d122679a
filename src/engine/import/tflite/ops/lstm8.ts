// The LSTM in integers: 8-bit inputs, weights and outputs, a 16-bit cell (lstm_eval.cc, "LstmStepInteger8x8_16").

import { FormatError } from "../../../../base/errors.ts";
import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import { clamp, logistic16, quantizeMultiplier, tanh16 } from "../fixed.ts";
import { type Node, Unsupported } from "../node.ts";
import { affineOf, rescale, scaleBy, through } from "../quantize.ts";
import { divideByPower } from "./elementwise.ts";
import { type Lstm, overTime, type Weight } from "./recurrent.ts";

const f = Math.fround;

/** Gates have 12 fractional bits before their functions. */
const gateScale = 2 ** -12;
const shorts = [-32768, 32767] as const;

const tables = new Map<number, Int16Array>();
/** A function of all 16-bit numbers, computed once: the sigmoid (-1), or tanh of so many integer bits. */
function functionTable(bits: number): (element: number) => number {
  let table = tables.get(bits);
  if (!table) {
    table = Int16Array.from({ length: 65536 }, (_, i) => (bits < 0 ? logistic16(i - 32768) : tanh16(i - 32768, bits)));
    tables.set(bits, table);
  }
  const known = table;
  return (element) => known[element + 32768]!;
}

export function integerLstm(
  node: Node,
  x: Value,
  start: { output: Value; cell: Value },
  w: Lstm,
): { sequence: Value; output: Value; cell: Value } {
  const { b } = node;
  if (w.norms[1]) throw new Unsupported("layer normalisation in integers");
  const coupled = w.input[0] === undefined;
  const gates = coupled ? [1, 2, 3] : [0, 1, 2, 3];
  const present = (list: readonly (Weight | undefined)[]): Weight[] =>
    gates.map((gate) => {
      const weight = list[gate];
      if (!weight) throw new FormatError(`${b.origin}: weights of a gate are missing`);
      return weight;
    });
  const [input, output, cell] = [affineOf(node.info(0)), affineOf(node.info(18)), affineOf(node.info(19))];
  const hiddenInfo = node.scope.subgraph.tensors[node.operator.intermediates[4] ?? -1];
  const hidden = hiddenInfo?.quantization ? affineOf(hiddenInfo) : affineOf(node.result());
  const cellPower = Math.round(Math.log2(cell.scale));
  const cells = w.recurrent[1]!.value.type.shape[0]!;
  if (cells > 1 << 18) throw new Unsupported(`${cells} cells`);
  /** Sums of all gates side by side, each with its weights' scale. */
  const sums = (inner: Builder, rows: Value, weights: readonly Weight[], scale: number, zero: number, bias?: Value) => {
    const last = rows.type.shape.length - 1;
    const joined = inner.concatenate(
      weights.map(({ value }) => value),
      0,
    );
    const total = inner.op("dotGeneral", [rows, joined], {
      lhsBatching: [],
      rhsBatching: [],
      lhsContracting: [last],
      rhsContracting: [1],
      dtype: "i32",
      zeroPoints: [zero, 0],
    });
    const factors = weights.flatMap(({ info }) => {
      const factor = quantizeMultiplier(f(f(affineOf(info).scale * scale) / gateScale));
      return Array.from({ length: cells }, () => factor);
    });
    return rescale(inner, bias ? inner.add(total, bias) : total, factors, last, { dtype: "i32" });
  };
  const biases = b.concatenate(
    present(w.biases).map(({ value }) => value),
    0,
  );
  const fromInput = b.clamp(sums(b, x, present(w.input), input.scale, input.zero, biases), ...shorts);
  const recurrentWeights = present(w.recurrent);
  const clip = w.cellClip > 0 ? Math.trunc(clamp(w.cellClip / cell.scale, ...shorts)) : 0;
  const made = overTime(b, [fromInput], [start.output, start.cell], (inner, [row], [before, state]) => {
    const fromState = sums(inner, before!, recurrentWeights, output.scale, output.zero);
    const all = inner.clamp(inner.add(row!, fromState), ...shorts);
    const [batch] = all.type.shape as [number];
    const gate = (which: number, current: Value): Value => {
      const at = gates.indexOf(which);
      let value = inner.slice(all, [0, at * cells], [batch, (at + 1) * cells]);
      const peephole = which === 2 ? undefined : w.peepholes[which === 3 ? 2 : which];
      if (peephole) {
        const product = inner.multiply(inner.convert(peephole.value, "i32"), inner.convert(current, "i32"));
        const factor = (2 ** cellPower * affineOf(peephole.info).scale) / gateScale;
        value = inner.clamp(inner.add(value, scaleBy(inner, product, factor, { dtype: "i32" })), ...shorts);
      }
      const short = inner.convert(value, "i16");
      return inner.convert(through(inner, short, "i16", functionTable(which === 2 ? 3 : -1)), "i32");
    };
    const forget = gate(1, state!);
    const update = gate(2, state!);
    const admit = coupled ? inner.subtract(inner.scalar("i32", 32767), forget) : gate(0, state!);
    const kept = divideByPower(inner, inner.multiply(forget, inner.convert(state!, "i32")), 15);
    const added = divideByPower(inner, inner.multiply(admit, update), 30 + cellPower);
    let next = inner.clamp(inner.add(kept, added), ...shorts);
    if (clip > 0) next = inner.clamp(next, -clip, clip);
    const nextCell = inner.convert(next, "i16");
    const open = gate(3, nextCell);
    const shown = through(inner, nextCell, "i16", functionTable(clamp(15 + cellPower, 0, 6)));
    const product = inner.multiply(open, inner.convert(shown, "i32"));
    const factor = (2 ** -15 / hidden.scale) * 2 ** -15;
    let result = scaleBy(inner, product, factor, { dtype: "i8", zero: hidden.zero });
    if (w.projection) {
      const total = inner.op("dotGeneral", [result, w.projection.value], {
        lhsBatching: [],
        rhsBatching: [],
        lhsContracting: [1],
        rhsContracting: [1],
        dtype: "i32",
        zeroPoints: [hidden.zero, 0],
      });
      const biased = w.projectionBias ? inner.add(total, w.projectionBias.value) : total;
      const scale = f(f(affineOf(w.projection.info).scale * hidden.scale) / output.scale);
      result = scaleBy(inner, biased, scale, { dtype: "i8", zero: output.zero });
      if (w.projectionClip > 0) {
        const bound = Math.trunc(clamp(w.projectionClip / output.scale, -128, 127));
        if (bound > 0) result = inner.clamp(result, -bound, bound);
      }
    }
    return { output: result, states: [result, nextCell] };
  });
  return { sequence: made.output, output: made.states[0]!, cell: made.states[1]! };
}
