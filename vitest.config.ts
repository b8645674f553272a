import { defineConfig } from 'vitest/config'

// One forked process without isolation: the device opens once and every pipeline compiles once. The binding crashes in
// worker threads.
export default defineConfig({
  resolve: { alias: { dawngrad: new URL('./src/node/index.ts', import.meta.url).pathname } },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/setup.ts'],
    pool: 'forks',
    maxWorkers: 1,
    isolate: false,
    // SwiftShader on a busy machine needs a minute for what lavapipe does in two seconds.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
