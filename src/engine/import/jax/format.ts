// The file formats of JAX and MLIR, recognised by content.

import { utf8 } from "../../../base/text.ts";
import type { Model, ModelFormat, Source } from "../../model.ts";
import { jaxExport } from "./export.ts";
import { hloProto } from "./hlo/format.ts";
import { isBytecode, readBytecode } from "./mlir/bytecode.ts";
import { parseModule } from "./mlir/operations.ts";
import { modelOf } from "./model.ts";
import { withoutVersions } from "./versioned.ts";

/** Whether bytes look like MLIR text: a module, a function or an alias after comments and blanks. */
function looksLikeText(bytes: Uint8Array): boolean {
  const head = utf8(bytes.subarray(0, 1 << 16)).replace(/^(?:\s|\/\/[^\n]*(?:\n|$))*/, "");
  return (
    /^(?:module\b|"?builtin\.module\b|func\.func\b|func @|"func\.func"|"?vhlo\.func)/.test(head) ||
    (/^[#!][\w$.-]+\s*=/.test(head) && /^\s*(?:module\b|"builtin\.module"|func\.func\b)/m.test(head))
  );
}

export const stablehlo: ModelFormat = {
  name: "stablehlo",
  title: "StableHLO",
  matches: ({ bytes }) => bytes !== undefined && (isBytecode(bytes) || looksLikeText(bytes)),
  open({ name, bytes = new Uint8Array() }: Source): Model {
    if (!isBytecode(bytes)) return modelOf(withoutVersions(parseModule(utf8(bytes))), { format: "stablehlo", name });
    const { module, producer } = readBytecode(bytes);
    return modelOf(withoutVersions(module), { format: "stablehlo", name, metadata: new Map([["producer", producer]]) });
  },
};

/** Every format of this folder, the surest first. */
export const formats: readonly ModelFormat[] = [stablehlo, jaxExport, hloProto];
