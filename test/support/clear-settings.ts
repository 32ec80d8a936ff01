// Settings of the shell that the tests are started from (THAW_URL of a Thaw that runs, say) are none of theirs.
for (const name of Object.keys(process.env)) {
  if (name.startsWith('THAW_') && !name.startsWith('THAW_TEST_')) delete process.env[name];
}
