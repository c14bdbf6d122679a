// A portable module as part of another model: what TensorFlow's XlaCallModule holds (jax2tf).

import { FormatError } from "../../../base/errors.ts";
import { utf8 } from "../../../base/text.ts";
import type { Builder } from "../../hlo/build.ts";
import type { Value } from "../../hlo/graph.ts";
import { functionsOf, Inliner } from "./inline.ts";
import { isBytecode, readBytecode } from "./mlir/bytecode.ts";
import type { Operation } from "./mlir/module.ts";
import { parseModule } from "./mlir/operations.ts";
import { elementType, type Lowered, partsOf } from "./site.ts";
import { withoutVersions } from "./versioned.ts";

const mainOf = (functions: ReadonlyMap<string, Operation>): Operation => {
  const main = functions.get("main");
  if (!main) throw new FormatError("module to call: no function 'main'");
  return main;
};

/**
 * Writes a module's main function where the builder is; gives its results. `platform` is what its first parameter says
 * when it has one more than there are operands: which of the module's platforms it runs on.
 */
export function callModule(
  build: Builder,
  content: Uint8Array,
  operands: readonly Value[],
  options: { platform?: number } = {},
): Value[] {
  const module = isBytecode(content) ? readBytecode(content).module : parseModule(utf8(content));
  const functions = functionsOf(withoutVersions(module));
  const parameters = mainOf(functions).regions[0]?.blocks[0]?.parameters ?? [];
  const tensors = parameters.filter(({ type }) => type.kind !== "token");
  const rest = [...operands];
  if (options.platform !== undefined && tensors.length === operands.length + 1) {
    const first = tensors[0]!.type;
    const dtype = first.kind === "tensor" ? elementType(first.element) : undefined;
    rest.unshift(build.scalar(dtype ?? "i32", options.platform));
  }
  if (rest.length !== tensors.length) {
    throw new FormatError(`module to call: takes ${tensors.length} arguments, is given ${rest.length}`);
  }
  let next = 0;
  const given = parameters.map(({ type }): Lowered => (type.kind === "token" ? undefined : rest[next++]));
  return new Inliner(functions, build).call("main", given).flatMap(partsOf);
}
