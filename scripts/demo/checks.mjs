// Answers: which checks of a page passed, and why did the others not?
//
// One line a check, `ok NAME` or `FAIL NAME: why`; the last line counts them.

let passed = 0;
let failed = 0;

/** Does `work`, which throws if the page is not as it should be, and may give something to say of it. */
export async function check(name, work) {
  try {
    const said = await work();
    passed += 1;
    console.log(`ok ${name}${said ? `: ${said}` : ""}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}: ${String(error.message ?? error).split("\n").slice(0, 12).join(" | ")}`);
  }
}

export function holds(truth, why) { if (!truth) throw new Error(why); }

/** Prints the count and ends the program, with status 1 if a check failed. */
export function end() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
