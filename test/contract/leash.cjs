// Preloaded into a server that a test starts: the server ends when the test's end of its standard
// input closes, so that it never outlives a test that was killed.
"use strict";
process.stdin.on("end", () => process.exit(0));
process.stdin.on("error", () => process.exit(0));
process.stdin.resume();
