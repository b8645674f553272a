// Places in src/ that make an error which needs no entry of its own in the table, or whose text the source hides.

interface Place {
  readonly file: string
  /** How the place in the source begins. */
  readonly code: string
}

/** What cannot happen, whatever a user does, since other code has made sure of it before; or on no machine known. */
export const INVARIANTS: readonly (Place & { readonly why: string })[] = [
  {
    file: 'src/kernels/gather.ts',
    code: 'new RangeError(`gather: row ',
    why: 'only Batches gathers, and its setOrder refuses such an order',
  },
  {
    file: 'src/kernels/gather.ts',
    code: 'new RangeError(`gather: entries ',
    why: 'only Batches gathers, and its batch() refuses such a number',
  },
  {
    file: 'src/gpu/pipelines.ts',
    code: 'new GpuError(kind, `',
    why: 'the device reports a kernel that does not compile, and that is thrown before',
  },
  {
    file: 'src/provision/adapters.ts',
    code: 'missing',
    why: 'no driver is known that works in a process of its own and then not in this one; the text is a line of what was tried',
  },
  {
    file: 'src/cli/tune.ts',
    code: "new GpuError('internal', `the self-test ",
    why: 'on an adapter that computes wrongly, and none is known',
  },
  {
    file: 'src/tune/search.ts',
    code: 'difference',
    why: 'no error: the report on a candidate that was refused',
  },
  {
    file: 'src/tune/search.ts',
    code: 'count === 0 ? null',
    why: 'no error: the report on a candidate that was refused',
  },
  {
    file: 'src/train/meter.ts',
    code: 'new RangeError(`Meter: ',
    why: 'a checkpoint with another count is refused when it is read',
  },
  {
    file: 'src/node/run_folder.ts',
    code: `\`\${parent} is not a folder`,
    why: "on Windows alone: elsewhere the file system's own ENOTDIR comes first",
  },
  {
    file: 'src/provision/tar.ts',
    code: 'new Error(`tar: ',
    why: 'the archive is compared with its pinned SHA-512 before it is read',
  },
  {
    file: 'src/provision/tar.ts',
    code: "new Error('tar: ",
    why: 'the archive is compared with its pinned SHA-512 before it is read',
  },
  {
    file: 'src/provision/download.ts',
    code: "new NetworkFault('the network failed'",
    why: 'it is caught in the same file, and told as what its cause was',
  },
  {
    file: 'src/train/history.ts',
    code: 'new Error( `curvePoints: ',
    why: 'the package does not export it, and the command hands it what it has recorded itself',
  },
  {
    file: 'src/train/history.ts',
    code: 'new Error(`curvePoints: ',
    why: 'the package does not export it, and a set that was loaded has at least one batch',
  },
  {
    file: 'src/figures/curves.ts',
    code: 'new Error(`drawCurves: ',
    why: 'the package does not export it, and --epochs is 1 or more',
  },
  {
    file: 'src/figures/svg.ts',
    code: 'new Error(`drawFigure: ',
    why: 'the package does not export it, and drawCurves gives it axes of some length',
  },
]

/** Places that hand on what others have made: the texts are found there, or are the driver's own. */
export const PASSED_ON: readonly (Place & { readonly from: string })[] = [
  { file: 'src/capture/capture.ts', code: `new Error(\`\${what}: \${refuses.refusesCapture}`, from: 'the observer' },
  { file: 'src/node/image_folder.ts', code: `new DataError(\`\${path}: \${bytes}`, from: 'readWhole' },
  { file: 'src/node/checkpoint_store.ts', code: `new DataError(\`\${pathOf(name)}: \${bytes}`, from: 'readWhole' },
  {
    file: 'src/cli/resume.ts',
    code: `new DataError(\`\${found?.path ?? join(path, OPTIONS)}: \${before}`,
    from: 'restored',
  },
  { file: 'src/node/run_folder.ts', code: `new DataError(\`\${file}: \${bytes}`, from: 'readWhole' },
  { file: 'src/data/safetensors.ts', code: `fail(\`\${tensor}: \${refused}`, from: 'nameProblem' },
  { file: 'src/data/safetensors.ts', code: `new DataError(\`\${name}: \${what}`, from: 'those who call fail' },
  { file: 'src/data/csv.ts', code: `new DataError(\`\${name}\${what}`, from: 'those who call fail' },
  { file: 'src/data/decode_image.ts', code: `new DataError(\`\${name}: \${what}`, from: 'those who call fail' },
  { file: 'src/data/npy.ts', code: `new DataError(\`\${name}: \${what}`, from: 'those who call fail' },
  { file: 'src/data/npz.ts', code: `new DataError(\`\${name}: \${what}`, from: 'those who call fail' },
  {
    file: 'src/data/table.ts',
    code: `new DataError(\`\${name}, \${unit}`,
    from: 'those who call fail',
  },
  { file: 'src/data/sources.ts', code: `new DataError(\`\${name}: \${bytes}`, from: 'readWhole' },
  { file: 'src/data/sources.ts', code: 'new TooLong()', from: 'bodyOf and inflate, which catch it' },
  { file: 'src/node/checkpoint_folder.ts', code: `new DataError(\`\${path}: \${bytes}`, from: 'readWhole' },
  { file: 'src/node/safetensors.ts', code: `new DataError(\`\${path}: \${bytes}`, from: 'readWhole' },
  { file: 'src/node/tuning_file.ts', code: `new DataError(\`\${path}: \${bytes}`, from: 'readWhole' },
  { file: 'src/gpu/gpu.ts', code: 'new GpuError(kind, withKernelName(', from: "the device's own report" },
  { file: 'src/node/fashion_mnist.ts', code: `new DataError(\`\${path}: \${gzipProblem(`, from: 'gzipProblem' },
  { file: 'src/provision/setup.ts', code: 'new SetupError(failures.map(', from: 'the errors of each thing to bring' },
  { file: 'src/cli/options.ts', code: `new UsageError(\`\${where}: \${sentence}`, from: "the grammar's parser" },
  { file: 'src/cli/sweep.ts', code: 'new UsageError( error.message.replace(', from: 'checkOptimizer and ratesOf' },
  { file: 'src/node/sweep_grid.ts', code: `new SyntaxError(\`\${what}`, from: 'those who call fail' },
  { file: 'src/sched/lambdas.ts', code: 'new RangeError(message)', from: 'fault' },
  { file: 'src/sched/options.ts', code: 'new RangeError(message)', from: 'fault' },
  {
    file: 'src/sched/parse.ts',
    code: "this.#fail(given.get(named ?? '')?.at ?? start, message",
    from: 'the constructor of the schedule',
  },
  {
    file: 'src/sched/plateau.ts',
    code: `new TypeError(\`ReduceLROnPlateau.loadStateDict: \${problem}`,
    from: 'plateauStateProblem',
  },
  { file: 'src/sched/parse.ts', code: 'this.#fail(at, message, right)', from: 'fault' },
  { file: 'src/sched/parse.ts', code: `new SyntaxError(\`\${what}`, from: 'those who call #fail' },
]

/** Texts that the source hides, such as those put together by another file; … stands for what is put in. */
export const BY_HAND: readonly (Place & { readonly texts: readonly string[] })[] = [
  {
    file: 'src/train/saved_state.ts',
    code: `new DataError(\`\${where}: \${(error as Error).message}`,
    texts: ['…: optim.…: the state has …, this optimizer has …'],
  },
  {
    file: 'src/cli/run_place.ts',
    code: `new UsageError(\`\${where}: \${error.message}`,
    texts: [
      "option '--out': … is in use by …; choose another folder",
      "option '--resume': … is in use by …; wait until it ends, or stop it",
    ],
  },
  {
    file: 'src/provision/adapters.ts',
    code: "new GpuError('unavailable', noAdapter(",
    texts: [
      'no WebGPU adapter was found. Tried, in this order:\n…',
      'DAWNGRAD_ADAPTER is …, but there is no such adapter. Tried:\n…',
    ],
  },
  {
    file: 'src/provision/adapters.ts',
    code: "new GpuError('unavailable', noAdapterInWorker(",
    texts: [
      "a worker thread can't use …: what it sets in process.env is not seen by drivers. Either of these helps:\n…",
    ],
  },
  {
    file: 'src/provision/setup.ts',
    code: "new SetupError(lacking.join('\\n'))",
    texts: ['data: not all four files are in …, which FASHION_MNIST_DIR names'],
  },
  {
    file: 'src/provision/apt.ts',
    code: `new SetupError(\`\${command} \${status}`,
    texts: ['…apt-get … failed with status …: …', '…apt-get … was killed by a signal'],
  },
]
