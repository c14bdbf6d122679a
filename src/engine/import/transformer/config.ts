// config.json: checked reading of what a network's description says.

import { FormatError } from "../../../base/errors.ts";
import { isObject, type JsonObject as Json } from "../../../base/json.ts";

/** Largest size that a configuration may name: a factor of what any network has. */
const largest = 1 << 24;
/** Most layers, or other things that are written one by one. */
export const mostLayers = 1000;

/** An object of a configuration. Every getter throws FormatError with the name of what is wrong. */
export class Config {
  readonly json: Json;
  private readonly what: string;

  constructor(json: Json, what = "config.json") {
    this.json = json;
    this.what = what;
  }

  has(name: string): boolean {
    return this.json[name] !== undefined && this.json[name] !== null;
  }

  private fail(name: string, wanted: string): never {
    throw new FormatError(`${this.what}: "${name}" is ${JSON.stringify(this.json[name])}, expected ${wanted}`);
  }

  /** The first of several names that is there: libraries changed their minds. */
  private find(names: readonly string[]): string {
    return names.find((name) => this.has(name)) ?? names[0]!;
  }

  number(names: string | readonly string[], otherwise?: number): number {
    const name = this.find(typeof names === "string" ? [names] : names);
    const value = this.json[name] ?? otherwise;
    return typeof value === "number" && Number.isFinite(value) ? value : this.fail(name, "a number");
  }

  /** A positive integer: a count or an extent. */
  size(names: string | readonly string[], otherwise?: number, limit = largest): number {
    const value = this.number(names, otherwise);
    if (Number.isInteger(value) && value > 0 && value <= limit) return value;
    return this.fail(this.find(typeof names === "string" ? [names] : names), `an integer from 1 to ${limit}`);
  }

  text(names: string | readonly string[], otherwise?: string): string {
    const name = this.find(typeof names === "string" ? [names] : names);
    const value = this.json[name] ?? otherwise;
    return typeof value === "string" ? value : this.fail(name, "a text");
  }

  flag(name: string, otherwise: boolean): boolean {
    const value = this.json[name] ?? otherwise;
    return typeof value === "boolean" ? value : this.fail(name, "true or false");
  }

  sizes(name: string, otherwise?: readonly number[], limit = largest): readonly number[] {
    const value = this.json[name] ?? otherwise;
    const good = (each: unknown) => typeof each === "number" && Number.isInteger(each) && each > 0 && each <= limit;
    return Array.isArray(value) && value.every(good) ? value : this.fail(name, "a list of sizes");
  }

  /** An object within. */
  within(name: string): Config | undefined {
    const value = this.json[name];
    return isObject(value) ? new Config(value, `${this.what}: ${name}`) : undefined;
  }

  objects(name: string): Config[] {
    const value = this.json[name];
    if (!Array.isArray(value) || !value.every(isObject)) return this.fail(name, "a list of objects");
    return value.map((each, i) => new Config(each, `${this.what}: ${name}[${i}]`));
  }

  /** A token's id, or several: absent ones are an empty list. */
  tokens(name: string): readonly number[] {
    const value = this.json[name] ?? [];
    const list = Array.isArray(value) ? value : [value];
    return list.every((each) => Number.isSafeInteger(each)) ? list : this.fail(name, "token ids");
  }
}
