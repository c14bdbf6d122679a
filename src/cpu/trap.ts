// A processor exception raised by a callout, before it has changed anything.

/** Thrown by callouts; `vector` is one of cpu/state.ts `Vector`, `error` what a handler may want to know. */
export class Trap {
  readonly vector: number;
  readonly error: number;
  constructor(vector: number, error = 0) {
    this.vector = vector;
    this.error = error;
  }
}
