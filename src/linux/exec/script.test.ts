import { expect, test } from "vitest";
import { encodeUtf8, utf8 } from "../../base/text.ts";
import { ENOEXEC } from "../../kernel/errno.ts";
import { parseShebang } from "./script.ts";

function parse(text: string): [string, string | undefined] {
  const { interpreter, argument } = parseShebang(encodeUtf8(text).subarray(0, 256));
  return [utf8(interpreter), argument && utf8(argument)];
}

test("the interpreter and all the rest as one argument", () => {
  expect(parse("#!/bin/sh\necho")).toEqual(["/bin/sh", undefined]);
  expect(parse("#! \t/usr/bin/env  python3 -u \t\nx")).toEqual(["/usr/bin/env", "python3 -u"]);
  expect(parse("#!/bin/sh")).toEqual(["/bin/sh", undefined]);
});

test("lines without an interpreter, or cut off in it, are no scripts", () => {
  for (const text of ["#!\n", "#!   \nx", `#!/${"x".repeat(300)}\n`]) expect(() => parse(text)).toThrow(ENOEXEC);
  expect(parse(`#!/bin/sh ${"x".repeat(300)}`)[0]).toBe("/bin/sh");
});
