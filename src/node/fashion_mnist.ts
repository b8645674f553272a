// Finds Fashion-MNIST on this machine, and loads and verifies it.
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import {
  FASHION_MNIST_FILES,
  type FashionMnistFile,
  type FashionMnistParts,
  fashionMnistFromBytes,
  type ImageDataset,
} from '../data/fashion_mnist.ts'
import { DataError } from '../errors.ts'
import { requireFlags, requireOptions } from '../tensor/options.ts'
import { cacheDir } from './cache.ts'
import { commandLine } from './command.ts'

/** The folders to search, and what chose the only one, if something did. */
export interface FashionMnistSearch {
  folders: string[]
  chosenBy: 'the dir option' | 'FASHION_MNIST_DIR' | null
}

/** Options of {@link loadFashionMnist}. */
export interface LoadFashionMnistOptions {
  /** The folder of the four files; nothing else is searched. */
  dir?: string | URL | undefined
  /** Whether the decompressed bytes must have the published SHA-256. Switch it off for samples and similar data sets. */
  verify?: boolean
}

const parts = ['trainImages', 'trainLabels', 'testImages', 'testLabels'] as const
const stems = parts.map((part) => FASHION_MNIST_FILES[part].stem)
const systemFolders = ['/usr/share/datasets/fashion-mnist', '/usr/local/share/datasets/fashion-mnist']
const remedy =
  `delete it and fetch it again (\`${commandLine('setup')}\` fetches what the cache folder lacks), or install Debian's ` +
  'package dataset-fashion-mnist, or set FASHION_MNIST_DIR to a folder that holds the right files'

/**
 * Loads Fashion-MNIST from disk: 60,000 training and 10,000 test images. It searches `dir` if given; otherwise
 * `FASHION_MNIST_DIR` if set; otherwise `fashion-mnist` in the cache folder, then in the system's dataset folders. The
 * first folder that holds all four files, each plain or `.gz`, is used.
 *
 * @returns both sets, and the folder they came from
 * @throws DataError if the files are not found, unreadable, damaged, or not the published ones; TypeError for an option that
 * it does not have
 */
export async function loadFashionMnist(
  options: LoadFashionMnistOptions = {},
): Promise<{ train: ImageDataset; test: ImageDataset; dir: string }> {
  requireOptions('loadFashionMnist', options, ['dir', 'verify'])
  requireFlags('loadFashionMnist', options, ['verify'])
  const { dir: wanted, verify = true } = options
  const { dir, paths } = await findFashionMnist(fashionMnistSearch(wanted))
  // allSettled: the error is the first in the order of the files, and no work continues after it is thrown.
  const results = await Promise.allSettled(
    parts.map((part) => readVerified(paths[part], FASHION_MNIST_FILES[part], verify)),
  )
  const [trainImages, trainLabels, testImages, testLabels] = results.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  }) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  return { ...fashionMnistFromBytes({ trainImages, trainLabels, testImages, testLabels }, paths), dir }
}

/** The folders that {@link loadFashionMnist} searches, in order. */
export function fashionMnistSearch(dir?: string | URL, env: NodeJS.ProcessEnv = process.env): FashionMnistSearch {
  if (dir !== undefined) {
    return { folders: [resolve(dir instanceof URL ? fileURLToPath(dir) : dir)], chosenBy: 'the dir option' }
  }
  const fromEnv = env.FASHION_MNIST_DIR
  if (fromEnv !== undefined && fromEnv !== '') return { folders: [resolve(fromEnv)], chosenBy: 'FASHION_MNIST_DIR' }
  return { folders: [join(cacheDir(env), 'fashion-mnist'), ...systemFolders], chosenBy: null }
}

/**
 * The first folder that holds all four files, and their paths; a plain file is preferred to its `.gz`.
 *
 * @throws DataError that says what every folder lacks, and how to get the files
 */
export async function findFashionMnist(
  search: FashionMnistSearch,
): Promise<{ dir: string; paths: FashionMnistParts<string> }> {
  const findings: string[] = []
  for (const dir of search.folders) {
    const found = await inspect(dir)
    if (typeof found !== 'string') return { dir, paths: found }
    findings.push(`  ${dir}: ${found}`)
  }
  throw new DataError(notFound(search, findings))
}

/** The paths of the four files in a folder, or what is wrong with the folder. */
async function inspect(dir: string): Promise<FashionMnistParts<string> | string> {
  let entries: Set<string>
  try {
    entries = new Set(await readdir(dir))
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT') return 'no such folder'
    return code === 'ENOTDIR' ? 'not a folder' : `cannot be read (${code})`
  }
  const names = stems.map((stem) => [stem, `${stem}.gz`].find((name) => entries.has(name)))
  const missing = stems.filter((_, i) => names[i] === undefined)
  if (missing.length === stems.length) return 'none of the four files'
  if (missing.length > 0) return `lacks ${missing.join(', ')}`
  const paths = names.map((name) => join(dir, name ?? ''))
  return Object.fromEntries(parts.map((part, i) => [part, paths[i]])) as unknown as FashionMnistParts<string>
}

function notFound({ chosenBy }: FashionMnistSearch, findings: readonly string[]): string {
  const only = chosenBy === null ? '' : `, the only folder searched because ${chosenBy} names it`
  const without = chosenBy === null ? '' : `, and leave out ${chosenBy}`
  const other = '/folder/with/the/four/files'
  return [
    `Fashion-MNIST was not found. Looked in${only}:`,
    ...findings,
    `One folder must hold ${stems.join(', ')}, each plain or .gz. Any of these helps:`,
    `  ${commandLine('setup')}${without}`,
    `  apt-get install dataset-fashion-mnist${without}`,
    chosenBy === 'the dir option' ? `  loadFashionMnist({ dir: '${other}' })` : `  export FASHION_MNIST_DIR=${other}`,
  ].join('\n')
}

async function readVerified(path: string, file: FashionMnistFile, verify: boolean): Promise<Uint8Array> {
  const bytes = path.endsWith('.gz') ? await readGzip(path, file) : await readBounded(path, file.bytes)
  if (!verify) return bytes
  const found = createHash('sha256').update(bytes).digest('hex')
  if (found === file.sha256) return bytes
  throw new DataError(
    `${path}: not the published file: the SHA-256 of its ${bytes.length} decompressed bytes is ${found}, ` +
      `but must be ${file.sha256}: ${remedy} (verify: false accepts other data of this form)`,
  )
}

/** Reads a file of at most `limit` bytes. Pipes and devices are refused, since reading them may never end. */
async function readBounded(path: string, limit: number): Promise<Uint8Array> {
  try {
    const info = await stat(path)
    if (!info.isFile()) throw new DataError(`${path}: not a regular file: ${remedy}`)
    if (info.size > limit) {
      throw new DataError(`${path}: too long: ${info.size} bytes, but must be at most ${limit}: ${remedy}`)
    }
    return await readFile(path)
  } catch (error) {
    if (error instanceof DataError) throw error
    const why = `cannot be read (${codeOf(error)})`
    throw new DataError(`${path}: ${why}: make it readable, or set FASHION_MNIST_DIR to another folder`, {
      cause: error,
    })
  }
}

const gunzipAsync = promisify(gunzip)

/** Reads and decompresses a file to at most the size it must have, so that no stream can fill the memory. */
async function readGzip(path: string, file: FashionMnistFile): Promise<Uint8Array> {
  // Gzip adds at most 5 bytes in 16 KiB and a header, so twice the size is always enough.
  const compressed = await readBounded(path, 2 * file.bytes)
  try {
    return await gunzipAsync(compressed, { maxOutputLength: file.bytes, chunkSize: 1 << 20 })
  } catch (error) {
    throw new DataError(`${path}: ${gzipProblem(error, file)}: ${remedy}`, { cause: error })
  }
}

function gzipProblem(error: unknown, file: FashionMnistFile): string {
  const reason = error instanceof Error ? error.message : String(error)
  if (codeOf(error) === 'ERR_BUFFER_TOO_LARGE') {
    return `too long: decompresses to more than the ${file.bytes} bytes of ${file.stem}`
  }
  if (codeOf(error) === 'Z_BUF_ERROR') return 'cut off: the gzip stream has no end'
  return reason === 'incorrect header check' ? 'not a gzip file' : `damaged gzip file (${reason})`
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code)
}
