// Small programs in MLIR text that say themselves what they have to give. The quantised ones have the numbers of the
// StableHLO specification's examples and of its reference interpreter.

import { describe, expect, test } from "vitest";
import { encodeUtf8 } from "../../../base/text.ts";
import { disagreement } from "../../hlo/agree.ts";
import { scalar } from "../../hlo/tensor.ts";
import { verify } from "../../hlo/verify.ts";
import { evaluate } from "../../interpret/interpret.ts";
import { stablehlo } from "./format.ts";

/** Runs every function of a module and expects its checks to hold; gives how many there were. */
function expectChecks(text: string): number {
  const source = { name: "text", bytes: encodeUtf8(text) };
  expect(stablehlo.matches(source)).toBe(true);
  const model = stablehlo.open(source);
  expect(model.missing).toEqual([]);
  let count = 0;
  for (const { name } of model.signatures) {
    const program = model.program(name);
    verify(program);
    const results = evaluate(program, []);
    for (const check of program.checks ?? []) {
      count++;
      expect(disagreement(check, results[check.actual]!, results[check.expected]!), name).toBeUndefined();
    }
  }
  return count;
}

const axis = "!quant.uniform<i8:f32:0, {0.1:-30, 0.5:-20}>";

describe("quantised types", () => {
  test("become small integers and numbers again", () => {
    const count = expectChecks(`
      !q = tensor<2x${axis}>
      func.func @quantize() {
        %x = stablehlo.constant dense<[4.0, 15.0]> : tensor<2xf32>
        %q = stablehlo.uniform_quantize %x : (tensor<2xf32>) -> !q
        %bits = stablehlo.bitcast_convert %q : (!q) -> tensor<2xi8>
        check.expect_eq_const %bits, dense<[10, 10]> : tensor<2xi8>
        %y = stablehlo.uniform_dequantize %q : (!q) -> tensor<2xf32>
        check.expect_almost_eq %y, %x : tensor<2xf32>
        return
      }
      func.func @requantize() {
        %x = stablehlo.constant dense<10> : tensor<2xi8>
        %q = stablehlo.bitcast_convert %x : (tensor<2xi8>) -> !q
        %r = stablehlo.uniform_quantize %q : (!q) -> tensor<2x!quant.uniform<i8:f32:0, {0.1:-20, 0.2:-30}>>
        %bits = stablehlo.bitcast_convert %r : (tensor<2x!quant.uniform<i8:f32:0, {0.1:-20, 0.2:-30}>>) -> tensor<2xi8>
        check.expect_eq_const %bits, dense<[20, 45]> : tensor<2xi8>
        return
      }`);
    expect(count).toBe(3);
  });

  test("compute on what they stand for, and saturate", () => {
    const count = expectChecks(
      `
      func.func @add() {
        %x = stablehlo.constant dense<[1.0, 2.0]> : tensor<2xf32>
        %y = stablehlo.constant dense<[3.0, 400.0]> : tensor<2xf32>
        %p = stablehlo.uniform_quantize %x : (tensor<2xf32>) -> tensor<2x!quant.uniform<i8:f32, 0.1:-30>>
        %q = stablehlo.uniform_quantize %y : (tensor<2xf32>) -> tensor<2x!quant.uniform<i8:f32, 0.5:-20>>
        %sum = stablehlo.add %p, %q : (tensor<2x!quant.uniform<i8:f32, 0.1:-30>>,
            tensor<2x!quant.uniform<i8:f32, 0.5:-20>>) -> tensor<2x!quant.uniform<i8:f32, 0.5:-20>>
        %bits = stablehlo.bitcast_convert %sum : (tensor<2x!quant.uniform<i8:f32, 0.5:-20>>) -> tensor<2xi8>
        check.expect_eq_const %bits, dense<[-12, 127]> : tensor<2xi8>
        return
      }
      func.func @dot() {
        %x = stablehlo.constant() {value = dense<[[1, 2], [3, 4]]> : tensor<2x2xi8>} : () -> tensor<2x2x!quant.uniform<i8:f32, 2.0:1>>
        %y = stablehlo.constant() {value = dense<[[1, 0], [0, 1]]> : tensor<2x2xi8>} : () -> tensor<2x2x!quant.uniform<i8<-127:127>:f32, 0.5>>
        return
      }`.replaceAll("stablehlo.constant()", '"stablehlo.constant"()'),
    );
    expect(count).toBe(1);
  });
});

describe("text", () => {
  test("calls, tuples, tokens and branches that are known", () => {
    const count = expectChecks(`
      module @calls {
        func.func public @main() -> tensor<2xi32> {
          %c = stablehlo.constant dense<[1, -2]> : tensor<2xi32>
          %t = stablehlo.create_token : !stablehlo.token
          %0:2 = func.call @both(%c, %t) : (tensor<2xi32>, !stablehlo.token) -> (tensor<2xi32>, !stablehlo.token)
          %1 = stablehlo.tuple %0#0, %c : tuple<tensor<2xi32>, tensor<2xi32>>
          %2 = stablehlo.get_tuple_element %1[0] : (tuple<tensor<2xi32>, tensor<2xi32>>) -> tensor<2xi32>
          %i = stablehlo.constant dense<7> : tensor<i32>
          %3 = "stablehlo.case"(%i) ({
            stablehlo.return %c : tensor<2xi32>
          }, {
            stablehlo.return %2 : tensor<2xi32>
          }) : (tensor<i32>) -> tensor<2xi32>
          check.expect_eq_const %3, dense<[2, 4]> : tensor<2xi32>
          return %3 : tensor<2xi32>
        }
        func.func private @both(%x: tensor<2xi32>, %t: !stablehlo.token) -> (tensor<2xi32>, !stablehlo.token) {
          %0 = stablehlo.multiply %x, %x : tensor<2xi32>
          %1 = stablehlo.constant dense<[2, 1]> : tensor<2xi32>
          %2 = stablehlo.multiply %0, %1 : tensor<2xi32>
          return %2, %t : tensor<2xi32>, !stablehlo.token
        }
      }`);
    expect(count).toBe(1);
  });

  test("MHLO, generic forms, composites, resources", () => {
    const count = expectChecks(
      `
      "builtin.module"() <{sym_name = "generic"}> ({
        "func.func"() <{function_type = () -> tensor<2xf32>, sym_name = "main"}> ({
          %0 = "mhlo.constant"() <{value = dense_resource<weights> : tensor<2xf32>}> : () -> tensor<2xf32>
          %1 = "stablehlo.composite"(%0) <{name = "twice", decomposition = @twice}> : (tensor<2xf32>) -> tensor<2xf32>
          %2 = "mhlo.reduce"(%1, %3) ({
          ^bb0(%a: tensor<f32>, %b: tensor<f32>):
            %s = "mhlo.add"(%a, %b) : (tensor<f32>, tensor<f32>) -> tensor<f32>
            "mhlo.return"(%s) : (tensor<f32>) -> ()
          }) {dimensions = dense<0> : tensor<1xi64>} : (tensor<2xf32>, tensor<f32>) -> tensor<f32>
          "check.expect_eq_const"(%2) <{value = dense<6.0> : tensor<f32>}> : (tensor<f32>) -> ()
          "func.return"(%1) : (tensor<2xf32>) -> ()
        }) : () -> ()
        "func.func"() <{function_type = (tensor<2xf32>) -> tensor<2xf32>, sym_name = "twice", sym_visibility = "private"}> ({
        ^bb0(%x: tensor<2xf32>):
          %0 = "mhlo.add"(%x, %x) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
          "func.return"(%0) : (tensor<2xf32>) -> ()
        }) : () -> ()
      }) : () -> ()
      {-#
        dialect_resources: { builtin: { weights: "0x040000000000803F00000040" } }
      #-}`.replace(
        '%2 = "mhlo.reduce"',
        '%3 = "mhlo.constant"() <{value = dense<0.0> : tensor<f32>}> : () -> tensor<f32>\n          %2 = "mhlo.reduce"',
      ),
    );
    expect(count).toBe(1);
  });

  test("the upper halves of products", () => {
    const count = expectChecks(`
      func.func @main() {
        %a = stablehlo.constant dense<[64, -64, -64]> : tensor<3xi8>
        %b = stablehlo.constant dense<[4, 4, -4]> : tensor<3xi8>
        %0 = "chlo.mulhi"(%a, %b) : (tensor<3xi8>, tensor<3xi8>) -> tensor<3xi8>
        check.expect_eq_const %0, dense<[1, -1, 1]> : tensor<3xi8>
        %c = stablehlo.constant dense<[4026531840, 2147483648]> : tensor<2xui32>
        %d = stablehlo.constant dense<[16, 2]> : tensor<2xui32>
        %1 = "chlo.mulhi"(%c, %d) : (tensor<2xui32>, tensor<2xui32>) -> tensor<2xui32>
        check.expect_eq_const %1, dense<[15, 1]> : tensor<2xui32>
        return
      }`);
    expect(count).toBe(2);
  });

  test("sizes that are inputs", () => {
    const text = `
      func.func public @main(%n: tensor<i64>, %x: tensor<?x2xf32>, %i: tensor<i32>) -> tensor<?x2xf32> {
        %0 = stablehlo.convert %n : (tensor<i64>) -> tensor<i32>
        %1 = stablehlo.reshape %0 : (tensor<i32>) -> tensor<1xi32>
        %2 = stablehlo.constant dense<2> : tensor<1xi32>
        %3 = stablehlo.concatenate %1, %2, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
        %4 = stablehlo.dynamic_iota %3, dim = 0 : (tensor<2xi32>) -> tensor<?x2xf32>
        %5 = stablehlo.add %4, %x : tensor<?x2xf32>
        return %5 : tensor<?x2xf32>
      }`;
    const model = stablehlo.open({ name: "text", bytes: encodeUtf8(text) });
    expect(model.signatures[0]!.inputs.map(({ byValue }) => byValue ?? false)).toEqual([true, false, false]);
    const program = model.program("main", { input1: [3, 2] }, { input0: scalar("i64", 3) });
    expect(program.outputs[0]!.type.shape).toEqual([3, 2]);
    expect(program.inputs.length).toBe(3);
    expect(() => model.program("main", { input1: [3, 2] })).toThrow(/has to be known/);
  });

  test("MHLO of years ago", () => {
    const count = expectChecks(`
      func @main() -> tensor<2x2xf32> {
        %0 = mhlo.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
        %1 = "mhlo.dot"(%0, %0) {precision_config = [#mhlo<"precision HIGH">, #mhlo<precision DEFAULT>]}
          : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
        %2 = "mhlo.compare"(%1, %0) {comparison_direction = "GT"} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xi1>
        %3 = "mhlo.slice"(%1) {start_indices = dense<[0, 1]> : tensor<2xi64>, limit_indices = dense<2> : tensor<2xi64>,
          strides = dense<1> : tensor<2xi64>} : (tensor<2x2xf32>) -> tensor<2x1xf32>
        check.expect_eq_const %2, dense<true> : tensor<2x2xi1>
        check.expect_eq_const %3, dense<[[10.0], [22.0]]> : tensor<2x1xf32>
        return %1 : tensor<2x2xf32>
      }`);
    expect(count).toBe(2);
  });

  test.each([
    ["a value that is not there", "func.func @main() { return %0 : tensor<1xi32> }", /%0 is not defined/],
    ["recursion", "func.func @main() { call @main() : () -> () return }", /nested deeper than 100/],
    ["nesting", `func.func @main() attributes {a = ${"[".repeat(5000)}`, /nested deeper/],
    [
      "a lie about a type",
      "func.func @main() { %0 = stablehlo.iota dim = 0 : tensor<3xi32>\n%1 = stablehlo.reshape %0 : (tensor<3xi32>) -> tensor<4xi32>\nreturn }",
      /reshape/,
    ],
    [
      "too much",
      "func.func @main() { %0 = stablehlo.iota dim = 0 : tensor<99999999999xi8>\nreturn }",
      /more elements than can be held/,
    ],
  ])("refuses %s", (_, text, message) => {
    expect(() => stablehlo.open({ name: "text", bytes: encodeUtf8(text) }).program()).toThrow(message);
  });

  test("says everything that is missing", () => {
    const text = `func.func @main(%x: tensor<2xf8E4M3FN>) -> tensor<2xf8E4M3FN> {
      %0 = stablehlo.custom_call @magic(%x) : (tensor<2xf8E4M3FN>) -> tensor<2xf8E4M3FN>
      %1 = stablehlo.infinite %0 : tensor<2xf8E4M3FN>
      return %1 : tensor<2xf8E4M3FN>
    }`;
    const model = stablehlo.open({ name: "text", bytes: encodeUtf8(text) });
    expect(model.missing.map(({ op }) => op)).toEqual(["custom_call:magic", "type:f8E4M3FN", "stablehlo.infinite"]);
    expect(() => model.program()).toThrow(/custom_call:magic.*stablehlo\.infinite/);
  });
});
