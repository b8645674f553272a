// Everything setup uses of the world around it, which tests replace.
import process from 'node:process'
import { FASHION_MNIST_FILES, type FashionMnistFile, type FashionMnistParts } from '../data/fashion_mnist.ts'
import { cacheDir } from '../node/cache.ts'
import { type FashionMnistSearch, fashionMnistSearch } from '../node/fashion_mnist.ts'
import { hasCommand, type RunCommand, runCommand } from './commands.ts'
import type { Driver } from './drivers.ts'
import { type Probed, probe } from './probe.ts'
import { type Report, reportTo } from './report.ts'
import { SWIFTSHADER, type SwiftShaderSource } from './swiftshader_source.ts'

/** Everything that setup uses of its surroundings, so that tests can replace it. */
export interface SetupContext {
  readonly env: NodeJS.ProcessEnv
  /** The only folder that setup writes to. */
  readonly cache: string
  /** Sources of the data set: prefixes of the files' URLs, tried in this order. */
  readonly mirrors: readonly string[]
  /** The required files of the data set, and the folders in which they count as present. */
  readonly files: FashionMnistParts<FashionMnistFile>
  readonly search: FashionMnistSearch
  readonly swiftshader: SwiftShaderSource
  readonly platform: string
  readonly arch: string
  /** The file that names the distribution and its release. */
  readonly osRelease: string
  readonly run: RunCommand
  readonly has: (command: string) => boolean
  readonly probe: (driver: Driver) => Promise<Probed>
  readonly report: Report
  /** A server counts as silent after so many milliseconds without a byte. */
  readonly patience: number
}

const MIRRORS: readonly string[] = [
  'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/',
  'https://fashion-mnist.s3.eu-central-1.amazonaws.com/',
]

/** The real surroundings, except for `changes`. */
export function setupContext(changes: Partial<SetupContext> = {}): SetupContext {
  const env = changes.env ?? process.env
  return {
    env,
    cache: cacheDir(env),
    mirrors: MIRRORS,
    files: FASHION_MNIST_FILES,
    search: fashionMnistSearch(undefined, env),
    swiftshader: SWIFTSHADER,
    platform: process.platform,
    arch: process.arch,
    osRelease: '/etc/os-release',
    run: runCommand,
    has: (command) => hasCommand(command, env),
    probe,
    report: reportTo(process.stderr, env),
    patience: 20_000,
    ...changes,
  }
}
