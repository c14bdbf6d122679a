// Cholesky decomposition and triangular systems, of real and complex matrices, in double precision.

import { isComplex } from "../hlo/dtype.ts";
import type { AttributesOf } from "../hlo/ops.ts";
import { elementCount, type Tensor } from "../hlo/tensor.ts";
import { finish, numbersFor, numbersOf } from "./elements.ts";

/** One matrix: real numbers have imaginary parts of zero. */
interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly real: Float64Array;
  readonly imaginary: Float64Array;
}

function matrix(rows: number, columns: number): Matrix {
  const size = rows * columns;
  return { rows, columns, real: new Float64Array(size), imaginary: new Float64Array(size) };
}

/** The matrices along the leading dimensions, one after the other, and a result of the last one's kind. */
function matricesOf(x: Tensor): Matrix[] {
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  const numbers = numbersOf(x);
  const step = isComplex(x.dtype) ? 2 : 1;
  return Array.from({ length: elementCount(x.shape.slice(0, -2)) }, (_, n) => {
    const result = matrix(rows, columns);
    const base = n * rows * columns;
    for (let i = 0; i < rows * columns; i++) {
      result.real[i] = numbers[(base + i) * step]!;
      if (step === 2) result.imaginary[i] = numbers[(base + i) * step + 1]!;
    }
    return result;
  });
}

function tensorOf(like: Tensor, matrices: readonly Matrix[]): Tensor {
  const out = numbersFor(like.dtype, like.shape);
  const step = isComplex(like.dtype) ? 2 : 1;
  let at = 0;
  for (const { real, imaginary } of matrices) {
    for (let i = 0; i < real.length; i++, at += step) {
      out[at] = real[i]!;
      if (step === 2) out[at + 1] = imaginary[i]!;
    }
  }
  return finish(like.dtype, like.shape, out);
}

function transposed(a: Matrix, { conjugate }: { conjugate: boolean }): Matrix {
  const result = matrix(a.columns, a.rows);
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < a.columns; j++) {
      result.real[j * a.rows + i] = a.real[i * a.columns + j]!;
      result.imaginary[j * a.rows + i] = (conjugate ? -1 : 1) * a.imaginary[i * a.columns + j]!;
    }
  }
  return result;
}

export function cholesky(x: Tensor, { lower }: { lower: boolean }): Tensor {
  return tensorOf(
    x,
    matricesOf(x).map((a) => {
      const factor = lowerFactor(lower ? a : transposed(a, { conjugate: true }));
      return lower ? factor : transposed(factor, { conjugate: true });
    }),
  );
}

/** L of L L* = a, from a's lower triangle; all NaN when a is not positive definite. */
function lowerFactor(a: Matrix): Matrix {
  const n = a.rows;
  const l = matrix(n, n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let re = a.real[i * n + j]!;
      let im = i === j ? 0 : a.imaginary[i * n + j]!;
      for (let k = 0; k < j; k++) {
        const [pr, pi] = [l.real[i * n + k]!, l.imaginary[i * n + k]!];
        const [qr, qi] = [l.real[j * n + k]!, l.imaginary[j * n + k]!];
        re -= pr * qr + pi * qi;
        im -= pi * qr - pr * qi;
      }
      if (i === j) {
        if (!(re > 0)) {
          l.real.fill(Number.NaN);
          l.imaginary.fill(Number.NaN);
          return l;
        }
        l.real[i * n + i] = Math.sqrt(re);
      } else {
        l.real[i * n + j] = re / l.real[j * n + j]!;
        l.imaginary[i * n + j] = im / l.real[j * n + j]!;
      }
    }
  }
  return l;
}

/** X of op(a) X = b, or of X op(a) = b. */
export function triangularSolve(a: Tensor, b: Tensor, attributes: AttributesOf<"triangularSolve">): Tensor {
  const { leftSide, transposeA, unitDiagonal } = attributes;
  const right = matricesOf(b);
  const solved = matricesOf(a).map((system, n) => {
    const flipped = transposeA !== "NO_TRANSPOSE";
    const applied = flipped ? transposed(system, { conjugate: transposeA === "ADJOINT" }) : system;
    const lower = attributes.lower !== flipped;
    if (leftSide) return solve(applied, right[n]!, { lower, unitDiagonal });
    // X A = B is A^T X^T = B^T.
    const plain = { conjugate: false };
    const across = solve(transposed(applied, plain), transposed(right[n]!, plain), { lower: !lower, unitDiagonal });
    return transposed(across, plain);
  });
  return tensorOf(b, solved);
}

function solve(a: Matrix, b: Matrix, options: { lower: boolean; unitDiagonal: boolean }): Matrix {
  const n = a.rows;
  const x = matrix(n, b.columns);
  for (let column = 0; column < b.columns; column++) {
    for (let step = 0; step < n; step++) {
      const i = options.lower ? step : n - 1 - step;
      let re = b.real[i * b.columns + column]!;
      let im = b.imaginary[i * b.columns + column]!;
      const [from, to] = options.lower ? [0, i] : [i + 1, n];
      for (let k = from; k < to; k++) {
        const [ar, ai] = [a.real[i * n + k]!, a.imaginary[i * n + k]!];
        const [xr, xi] = [x.real[k * b.columns + column]!, x.imaginary[k * b.columns + column]!];
        re -= ar * xr - ai * xi;
        im -= ar * xi + ai * xr;
      }
      if (!options.unitDiagonal) {
        const [dr, di] = [a.real[i * n + i]!, a.imaginary[i * n + i]!];
        const size = dr * dr + di * di;
        if (di === 0) [re, im] = [re / dr, im / dr];
        else [re, im] = [(re * dr + im * di) / size, (im * dr - re * di) / size];
      }
      x.real[i * b.columns + column] = re;
      x.imaginary[i * b.columns + column] = im;
    }
  }
  return x;
}
