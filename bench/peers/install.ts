// Installs the other libraries on first use.
import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const PACKAGES = ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-webgpu', '@jax-js/jax']

/** Installs the peers into bench/peers on first use. Throws an Error where npm fails. */
export function ensurePeers(say: (line: string) => void): void {
  const { resolve } = createRequire(import.meta.url)
  const missing = PACKAGES.filter((name) => {
    try {
      return !resolve(name)
    } catch {
      return true
    }
  })
  if (missing.length === 0) return
  say(`Installing ${missing.join(', ')} into bench/peers: npm ci --prefix bench/peers, about 310 MB`)
  const args = ['ci', '--prefix', fileURLToPath(new URL('.', import.meta.url)), '--ignore-scripts', '--no-audit']
  try {
    execFileSync('npm', [...args, '--no-fund', '--loglevel=error'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      shell: process.platform === 'win32',
    })
  } catch (error) {
    const { stderr } = error as { stderr?: Buffer }
    throw new Error(`npm could not install the peers: ${(stderr?.toString() || String(error)).trim().split('\n')[0]}`)
  }
}
