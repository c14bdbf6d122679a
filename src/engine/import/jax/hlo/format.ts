// XLA's HLO modules in protocol buffers: HloModuleProto, alone or within HloProto.

import { FormatError } from "../../../../base/errors.ts";
import { bytes, decode, message } from "../../../../formats/protobuf.ts";
import type { ModelFormat } from "../../../model.ts";
import { modelOf } from "../model.ts";
import { translate } from "./module.ts";
import { ComputationProto, ModuleProto } from "./proto.ts";

/** An HloProto has the module in its first field. */
const Wrapper = message({ module: [1, bytes] });
/** The name, the entry's name and the first computation: what tells a module from other messages. */
const Outline = message({ name: [1, bytes], entryName: [2, bytes], computation: [3, bytes] });

const word = /^[\w.<>-]+$/;
const ascii = (content: Uint8Array) => String.fromCharCode(...content.subarray(0, 200));

function isModule(content: Uint8Array): boolean {
  try {
    const { name, entryName, computation } = decode(Outline, content, "HLO");
    if (!word.test(ascii(name)) || !word.test(ascii(entryName)) || computation.length === 0) return false;
    const { instructions } = decode(ComputationProto, computation, "HLO");
    return instructions.length > 0 && instructions.every(({ opcode }) => /^[a-z][a-z0-9-]*$/.test(opcode));
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

/** The bytes of the module. */
function moduleBytes(content: Uint8Array): Uint8Array | undefined {
  // Both begin with field 1, the name or the module.
  if (content[0] !== 0x0a) return undefined;
  if (isModule(content)) return content;
  try {
    const { module } = decode(Wrapper, content, "HLO");
    return isModule(module) ? module : undefined;
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

export const hloProto: ModelFormat = {
  name: "hlo",
  title: "XLA HLO",
  matches: (source) => source.bytes !== undefined && moduleBytes(source.bytes) !== undefined,
  open({ name, bytes: content = new Uint8Array() }) {
    const inner = moduleBytes(content);
    if (!inner) throw new FormatError(`${name}: is no HLO module`);
    const module = decode(ModuleProto, inner, "HLO");
    const metadata = new Map([["module", module.name]]);
    return modelOf(translate(module), { format: "hlo", name, metadata });
  },
};
