import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const pool = mutantsOf('src/gpu/pool.ts', tests.pool, [
  {
    id: 'pool-retain',
    in: 'retain',
    find: 'this.#references++',
    replace: '',
    breaks: 'Memory goes back to the pool while somebody holds it.',
  },
  {
    id: 'pool-bucket-step',
    find: 'Math.max(1, bytes))) - 2',
    replace: 'Math.max(1, bytes))) - 1',
    breaks: 'Up to half of a buffer is slack.',
  },
  {
    id: 'pool-peak',
    find: 'Math.max(this.#peakBytes, this.#bytes)',
    replace: 'this.#bytes',
    breaks: 'The peak of memory falls again.',
  },
  {
    id: 'pool-limit',
    find: 'bytes > most',
    replace: 'bytes >= most',
    breaks: 'A buffer of exactly the largest size is refused.',
  },
  {
    id: 'pool-limit-bucket',
    find: 'Math.min(bucketSize(bytes), Math.max(Math.floor(limit / 256) * 256, Math.ceil(bytes / 4) * 4))',
    replace: 'bucketSize(bytes)',
    breaks: 'A bucket may pass the limit of the device.',
  },
  {
    id: 'pool-pooled-bytes',
    find: 'if (buffer) this.#pooledBytes -= size',
    replace: 'if (buffer) this.#pooledBytes -= bytes',
    breaks: 'Bytes that wait in the pool are counted wrong.',
  },
  {
    id: 'pool-reclaim-bytes',
    find: 'this.#bytes -= buffer.size',
    replace: 'this.#bytes -= storage.byteLength',
    breaks: 'Bytes in use never come back to zero.',
  },
  {
    id: 'pool-trim',
    find: 'this.#free.clear()',
    replace: '',
    breaks: 'Destroyed buffers are handed out again.',
  },
])

const params = mutantsOf('src/gpu/params.ts', tests.params, [
  {
    id: 'params-key',
    find: 'words.join()',
    replace: "words.join('')",
    breaks: 'Different numbers of the same digits share a slot.',
  },
  {
    id: 'params-offset',
    find: 'SLOT_BYTES * this.#used++',
    replace: '(SLOT_BYTES / 2) * this.#used++',
    breaks: 'Slots overlap the alignment that uniform offsets need.',
  },
  {
    id: 'params-full',
    find: 'this.#chunks.length > MAX_CHUNKS || ',
    replace: '',
    breaks: 'Once past its end the cache is never full again.',
  },
  {
    id: 'params-clear',
    find: 'this.#slots.clear()',
    replace: '',
    breaks: 'Slots of destroyed buffers are found again.',
  },
  {
    id: 'params-u32',
    find: '[0, 0xffffffff]',
    replace: '[0, 0x7fffffff]',
    breaks: 'Large unsigned numbers are refused.',
  },
  {
    id: 'params-unknown',
    find: 'if (!members.some((member) => member.name === name)) throw',
    replace: 'if (members.length === 0) throw',
    breaks: 'Numbers that the kernel does not have are dropped in silence.',
  },
])

const recorder = mutantsOf('src/gpu/recorder.ts', tests.recorder, [
  {
    id: 'gpu-fold',
    find: 'Math.ceil(groups / x)',
    replace: 'Math.floor(groups / x)',
    breaks: 'Beyond 65,535 workgroups the last ones are not run.',
    tests: tests.gpu,
  },
  {
    id: 'recorder-touched-dispatch',
    find: 'for (const buffer of buffers) this.#touched.add(buffer)',
    replace: '',
    breaks: 'A write overtakes a dispatch recorded before it.',
  },
  {
    id: 'recorder-touched-copy',
    find: 'this.#touched.add(from.buffer).add(to.buffer)',
    replace: 'this.#touched.add(to.buffer)',
    breaks: 'A write overtakes a copy that was to read before it.',
  },
  {
    id: 'recorder-copy-in-pass',
    in: 'copy',
    find: 'this.#endPass()',
    replace: '',
    breaks: 'A copy is recorded within a compute pass.',
  },
  {
    id: 'recorder-submit-twice',
    find: '    this.#encoder = null\n    this.#pending',
    replace: '    this.#pending',
    breaks: 'Commands that were sent are sent once more.',
  },
  {
    id: 'recorder-touched-clear',
    find: 'this.#touched.clear()',
    replace: '',
    breaks: 'Writes submit commands that they need not wait for.',
    equivalent: 'It costs time only: more submissions, the same order of commands.',
  },
])

const gpu = mutantsOf('src/gpu/gpu.ts', tests.gpu, [
  {
    id: 'gpu-write-order',
    find: 'if (this.#recorder.touches(buffer)) this.#recorder.submit()',
    replace: '',
    breaks: 'A write overtakes commands recorded before it.',
    tests: tests.recorder,
  },
  {
    id: 'gpu-read-length',
    find: '.slice(0, bytes)',
    replace: '.slice(0, size)',
    breaks: 'A read gives up to three bytes too many.',
  },
  {
    id: 'gpu-write-tail',
    find: 'data.byteOffset + whole',
    replace: 'whole',
    breaks: 'The last bytes of a view are taken from the start of its buffer.',
  },
  {
    id: 'gpu-read-odd',
    in: 'read',
    find: 'Math.ceil(bytes / 4) * 4',
    replace: 'Math.floor(bytes / 4) * 4',
    breaks: 'Bytes after the last whole word are not read.',
  },
  {
    id: 'gpu-error-once',
    find: '    this.#error = null\n',
    replace: '',
    breaks: 'An error is thrown by every call from then on.',
    tests: tests.gpuErrors,
  },
  {
    id: 'gpu-first-error',
    find: 'this.#error ??= new GpuError',
    replace: 'this.#error = new GpuError',
    breaks: 'Of several errors the last is reported, not the cause.',
    tests: tests.gpuErrors,
  },
  {
    id: 'gpu-params-full',
    find: '      this.#recorder.submit()\n      this.#params.clear()',
    replace: '      this.#params.clear()',
    breaks: 'Numbers are destroyed while recorded commands still need them.',
  },
  {
    id: 'gpu-staging-size',
    find: 'buffer.size >= size',
    replace: 'buffer.size <= size',
    breaks: 'A read uses memory that is too small for it.',
  },
])

const kernels = [
  ...mutantsOf('src/gpu/kernel.ts', tests.kernel, [
    {
      id: 'kernel-tune',
      find: 'result = result.replace(line,',
      replace: 'result = result.replace(name,',
      breaks: 'Numbers to tune are left as they stand.',
    },
  ]),
  ...mutantsOf('src/gpu/reflect.ts', tests.reflect, [
    {
      id: 'reflect-uniform-size',
      find: 'Math.ceil((members.length * 4) / 16) * 16',
      replace: 'members.length * 4',
      breaks: 'Uniform structs are not rounded up to 16 bytes.',
    },
    {
      id: 'reflect-reach',
      find: 'queue.push(word)',
      replace: '',
      breaks: 'Bindings that a function reaches through two calls are missing.',
    },
    {
      id: 'reflect-access',
      find: "access === 'read_write' ? 'storage'",
      replace: "access === 'write' ? 'storage'",
      breaks: 'Outputs are bound for reading only.',
    },
  ]),
]

const bindings = mutantsOf('src/gpu/bind.ts', tests.gpuErrors, [
  {
    id: 'bind-aliases',
    find: "type !== 'storage' || !(written instanceof Storage)",
    replace: "type === 'storage' || !(written instanceof Storage)",
    breaks: 'A buffer may be written and read by one dispatch.',
  },
  {
    id: 'bind-offset',
    find: '{ buffer } : { buffer, offset, size: capacity }',
    replace: '{ buffer } : { buffer, offset: 0, size: capacity }',
    breaks: 'A part of a larger storage is taken to begin where that begins.',
    tests: tests.capture,
  },
])

const plans = [
  ...mutantsOf('src/gpu/recorder.ts', tests.capture, [
    {
      id: 'replay-order',
      in: 'replay',
      find: 'this.submit()',
      replace: '',
      breaks: 'A plan overtakes what was recorded before it.',
    },
    {
      id: 'replay-step',
      find: 'stepOffset(step)',
      replace: '0',
      breaks: 'Every step of a run is its first.',
    },
  ]),
  ...mutantsOf('src/gpu/recording.ts', tests.captureRefusals, [
    {
      id: 'recording-words',
      find: 'if (a.words !== b.words)',
      replace: 'if (a.words.length !== b.words.length)',
      breaks: 'A function may give other numbers in every step.',
    },
    {
      id: 'recording-buffers',
      find: 'a.buffers[i] === b.buffers[i] && ',
      replace: '',
      breaks: 'A function may take another tensor in every step.',
    },
    {
      id: 'recording-moved',
      find: 's.buffer !== buffers[i]',
      replace: 's.buffer === null',
      breaks: 'A plan uses memory that its parameters have left.',
    },
  ]),
  ...mutantsOf('src/capture/capture.ts', tests.capture, [
    {
      id: 'capture-retain',
      find: 'for (const storage of this.#held) storage.retain()',
      replace: '',
      breaks: 'A plan does not hold the memory it works on.',
    },
    {
      id: 'capture-chunk',
      find: 'rateOf(done + step)',
      replace: 'rateOf(step)',
      breaks: 'From the second submit of a run on, the rates begin anew.',
    },
    {
      id: 'per-step-advance',
      find: 'advance(count * calls',
      replace: 'advance(count',
      breaks: 'Several uses in a captured step count as one.',
      tests: tests.langevin,
    },
    {
      id: 'capture-pending',
      find: 'for (const storage of given) storage.pending = true',
      replace: '',
      breaks: 'The result of a plan that has not been run is whatever its memory held.',
      tests: tests.notYetRun,
    },
    {
      id: 'capture-returned',
      find: 'inside.has(t) || t.storage.pool === recording.memory.pool',
      replace: 't !== null',
      breaks: 'A captured function that returns a parameter loses it.',
      tests: tests.notYetRun,
    },
    {
      id: 'capture-refused',
      find: 'if (recording.refused) throw recording.refused',
      replace: '',
      breaks: 'A refusal that the function caught is forgotten.',
      tests: tests.captureRefusals,
    },
  ]),
  ...mutantsOf('src/capture/per_step.ts', tests.capture, [
    {
      id: 'per-step-written',
      find: 'this.#written?.length === words.length && words.every',
      replace: 'this.#written?.length === words.length || words.every',
      breaks: 'Numbers that have changed since are not uploaded.',
    },
    {
      id: 'per-step-last-row',
      find: 'count > 1 && sameRow(words, count - 1, count - 2, width)',
      replace: 'count > 1',
      breaks: 'All steps of a run have the numbers of the first.',
    },
    {
      id: 'per-step-equal',
      find: 'words[HEAD + a * width + i] !== words[HEAD + b * width + i]',
      replace: 'words[HEAD + a * width] !== words[HEAD + b * width]',
      breaks: 'Rows are taken for equal if their first words are.',
      tests: tests.perStep,
    },
  ]),
]

export const device: Area = {
  title: 'Device',
  mutants: [...pool, ...params, ...recorder, ...gpu, ...bindings, ...plans, ...kernels],
}
