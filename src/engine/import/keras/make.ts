// Layers from their configurations: class, types, weights' names, the layers within.

import { FormatError } from "../../../base/errors.ts";
import { Config, isObject, type Json } from "./config.ts";
import type { Layer } from "./layer.ts";
import { layers } from "./layers.ts";
import { isOperation, operationRow } from "./operations.ts";
import { computeType } from "./policy.ts";

/** Models within models. */
const maximumDepth = 40;

/** A layer (and those within) from its configuration. */
export function makeLayer(json: Json | undefined, place: string, keras: 2 | 3, depth = 0): Layer {
  if (!isObject(json)) throw new FormatError(`Keras: ${place} is no layer`);
  if (depth > maximumDepth) throw new FormatError(`Keras: layers within layers, ${depth} deep`);
  const registered = typeof json["registered_name"] === "string" ? json["registered_name"] : undefined;
  const given = typeof json["class_name"] === "string" ? json["class_name"] : undefined;
  if (given === undefined) throw new FormatError(`Keras: ${place} has no class name`);
  // "Package>Name" is a class of somebody else's, unless the package is Keras's own.
  const className = given.replace(/^(?:keras|Keras|tf_keras|keras\.layers)>/, "");
  const inner = new Config(json["config"], className);
  const named = inner.get("name") ?? json["name"] ?? place;
  const name = typeof named === "string" ? named : place;
  const what = `${className} '${name}'`;
  const config = new Config(json["config"], what);
  const custom = registered !== undefined && registered.includes(">") && !/^(?:keras|tf_keras)/i.test(registered);
  const operation = isOperation(json);
  const row = custom ? undefined : operation ? operationRow(json) : layers[className];
  const children = row?.children?.(config, (child, at) => makeLayer(child, at, keras, depth + 1)) ?? [];
  return {
    className: custom ? registered : className,
    name,
    config,
    keras,
    row,
    variables: row?.variables?.(config, keras) ?? [],
    children,
    weights: [],
    dtype: computeType(config.get("dtype")),
    what,
  };
}
