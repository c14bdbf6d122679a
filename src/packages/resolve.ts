// Dependency resolution: from packages that are wanted to the packages that are needed. Source: Debian Policy chapter 7.
// The sources are asked in order and the first that has what is asked for wins; no choice is taken back, as in `apt-get install`.

import { CerebroError } from "../base/errors.ts";
import { parseRelations, relationApplies, showRelation, type Relation } from "../formats/debrelation.ts";
import { compareVersions } from "../formats/debversion.ts";
import type { Stanza } from "../formats/debcontrol.ts";
import { satisfies, type Candidate, type PackageSource } from "./source.ts";

/** Fields whose relations have to hold before a package can run. */
const needed = ["Pre-Depends", "Depends"] as const;

interface Missing {
  by: string;
  alternatives: Relation[];
}

export interface Resolution {
  /** Dependencies come before what needs them, cycles aside. */
  packages: Candidate[];
}

export interface ResolveOptions {
  /** A dependency on nothing but these is taken as met. */
  passOver?: ReadonlySet<string>;
}

/** Fields are parsed once: resolution asks for the same ones again and again. */
const parsed = new WeakMap<Stanza, Map<string, Relation[][]>>();

/** The relations of a field that hold on an architecture. */
export function relationsOf(control: Stanza, field: string, architecture: string): Relation[][] {
  let fields = parsed.get(control);
  if (!fields) parsed.set(control, (fields = new Map()));
  const key = `${field} ${architecture}`;
  let relations = fields.get(key);
  if (!relations) {
    relations = parseRelations(control.get(field) ?? "")
      .map((group) => group.filter((relation) => relationApplies(relation, architecture)))
      .filter((group) => group.length > 0);
    fields.set(key, relations);
  }
  return relations;
}

/** Finds everything that `wanted` need. Fails with all that is missing, not with the first. */
export async function resolve(
  wanted: readonly Candidate[],
  sources: readonly PackageSource[],
  architecture: string,
  options: ResolveOptions = {},
): Promise<Resolution> {
  const resolver = new Resolver(sources, architecture, options.passOver ?? new Set());
  for (const candidate of wanted) resolver.choose(candidate);
  await resolver.run();
  return { packages: inOrder(wanted, [...resolver.chosen.values()], architecture) };
}

/** The best candidate for a relation from the first source that has one. */
export async function findCandidate(
  relation: Relation,
  sources: readonly PackageSource[],
  architecture: string,
  allowed: (candidate: Candidate) => boolean = () => true,
): Promise<Candidate | undefined> {
  const fits = (candidate: Candidate) =>
    (candidate.architecture === architecture || candidate.architecture === "all") &&
    qualifierFits(relation, architecture) &&
    satisfies(candidate, relation) &&
    allowed(candidate);
  for (const source of sources) {
    const real = best((await source.named(relation.name)).filter(fits));
    if (real) return real;
    const virtual = best((await source.providing(relation.name)).filter(fits));
    if (virtual) return virtual;
  }
  return undefined;
}

function qualifierFits({ qualifier }: Relation, architecture: string): boolean {
  return qualifier === undefined || qualifier === "any" || qualifier === "native" || qualifier === architecture;
}

/** Of one name the highest version; of several providers the one that more of Debian relies on, then by name. */
function best(candidates: readonly Candidate[]): Candidate | undefined {
  return [...candidates].sort(
    (a, b) =>
      b.priority - a.priority ||
      (a.name === b.name
        ? compareVersions(b.version, a.version)
        : importance(a) - importance(b) || (a.name < b.name ? -1 : 1)),
  )[0];
}

const importances = ["required", "important", "standard", "optional", "extra"];

function importance({ control }: Candidate): number {
  const place = importances.indexOf(control.get("Priority") ?? "optional");
  return place < 0 ? importances.length : place;
}

class Resolver {
  readonly chosen = new Map<string, Candidate>();
  readonly #queue: Candidate[] = [];
  readonly #missing: Missing[] = [];
  readonly #sources: readonly PackageSource[];
  readonly #architecture: string;

  readonly #passOver: ReadonlySet<string>;

  constructor(sources: readonly PackageSource[], architecture: string, passOver: ReadonlySet<string>) {
    this.#passOver = passOver;
    this.#sources = sources;
    this.#architecture = architecture;
  }

  choose(candidate: Candidate): void {
    const before = this.chosen.get(candidate.name);
    if (before === candidate) return;
    if (before && before.version !== candidate.version) {
      throw new CerebroError(
        "dependency",
        `${candidate.name} is wanted in versions ${before.version} and ${candidate.version}`,
        {
          hint: "give only one of them",
        },
      );
    }
    this.chosen.set(candidate.name, candidate);
    this.#queue.push(candidate);
  }

  async run(): Promise<void> {
    for (let candidate = this.#queue.shift(); candidate; candidate = this.#queue.shift()) {
      for (const field of needed) {
        for (const group of relationsOf(candidate.control, field, this.#architecture))
          await this.#satisfy(candidate, group);
      }
    }
    if (this.#missing.length > 0) throw this.#missingError();
    this.#checkConflicts();
  }

  async #satisfy(by: Candidate, group: Relation[]): Promise<void> {
    if (group.every(({ name }) => this.#passOver.has(name))) return;
    const chosen = [...this.chosen.values()];
    if (group.some((relation) => chosen.some((candidate) => satisfies(candidate, relation)))) return;
    for (const relation of group) {
      // Another version of a package that is chosen cannot be added beside it.
      const allowed = (candidate: Candidate) => !this.chosen.has(candidate.name) && !this.#conflicting(candidate);
      const candidate = await findCandidate(relation, this.#sources, this.#architecture, allowed);
      if (candidate) return this.choose(candidate);
    }
    this.#missing.push({ by: `${by.name} ${by.version}`, alternatives: group });
  }

  /** The chosen package that cannot be together with this one. */
  #conflicting(candidate: Candidate): Candidate | undefined {
    for (const other of this.chosen.values()) {
      if (other.name === candidate.name) continue;
      if (this.#excludes(other, candidate) || this.#excludes(candidate, other)) return other;
    }
    return undefined;
  }

  #excludes(one: Candidate, other: Candidate): boolean {
    return ["Conflicts", "Breaks"].some((field) =>
      relationsOf(one.control, field, this.#architecture).some(([relation]) => satisfies(other, relation!)),
    );
  }

  #checkConflicts(): void {
    for (const candidate of this.chosen.values()) {
      const other = this.#conflicting(candidate);
      if (!other) continue;
      throw new CerebroError(
        "dependency",
        `${candidate.name} ${candidate.version} conflicts with ${other.name} ${other.version}`,
      );
    }
  }

  #missingError(): CerebroError {
    const lines = this.#missing.map(({ by, alternatives }) => {
      const needs = `${by} needs ${alternatives.map(showRelation).join(" or ")}`;
      const have = alternatives.map(({ name }) => this.chosen.get(name)).find((candidate) => candidate !== undefined);
      return have ? `${needs}, but ${have.name} ${have.version} is taken (${have.origin})` : needs;
    });
    const asked = this.#sources.map(({ origin }) => origin).join(", ");
    return new CerebroError("dependency", `${lines.join("; ")}: not found in ${asked || "any source"}`, {
      hint: "give the packages with --with FILE or --pool DIR, or a repository with --mirror URL",
    });
  }
}

/** Depth first, so that what a package needs stands before it; a cycle is cut where it is entered. */
function inOrder(wanted: readonly Candidate[], all: readonly Candidate[], architecture: string): Candidate[] {
  const ordered = new Set<Candidate>();
  const entered = new Set<Candidate>();
  const visit = (candidate: Candidate): void => {
    if (entered.has(candidate)) return;
    entered.add(candidate);
    for (const field of needed) {
      for (const group of relationsOf(candidate.control, field, architecture)) {
        for (const other of all) if (group.some((relation) => satisfies(other, relation))) visit(other);
      }
    }
    ordered.add(candidate);
  };
  for (const candidate of [...wanted, ...all]) visit(candidate);
  return [...ordered];
}
