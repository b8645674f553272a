import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { backports, codename, readOsRelease, sourcesFor } from '../../src/provision/apt.ts'
import { makeWorld, type World } from '../support/setup_world.ts'

let world: World
beforeEach(async () => {
  world = await makeWorld()
})
afterEach(() => world.close())

/** What `apt-get update --print-uris` says of suites and components. */
function uris(...entries: readonly (readonly [mirror: string, suite: string, component: string])[]): string {
  return entries
    .flatMap(([mirror, suite, component]) => [
      `'${mirror}/dists/${suite}/InRelease' some_InRelease 0 `,
      `'${mirror}/dists/${suite}/${component}/binary-amd64/Packages.xz' some_Packages 0 `,
      `'${mirror}/dists/${suite}/${component}/i18n/Translation-en.xz' some_Translation-en 0 `,
    ])
    .join('\n')
}

const never = () => false
const m = 'http://mirror.invalid/debian'

describe('os-release', () => {
  test('is read with and without quotes', async () => {
    const path = join(world.folder, 'os-release')
    await writeFile(path, 'ID=debian\nVERSION_CODENAME="bookworm"\n# a comment\nNAME=\'A "b"\'\n')
    expect(readOsRelease(path)).toEqual({ ID: 'debian', VERSION_CODENAME: 'bookworm', NAME: 'A "b"' })
    expect(readOsRelease(join(world.folder, 'none'))).toEqual({})
  })

  test('names the suite of the distribution that a system is made from', () => {
    expect(codename({ VERSION_CODENAME: 'trixie' })).toBe('trixie')
    expect(codename({ VERSION_CODENAME: 'wilma', UBUNTU_CODENAME: 'noble' })).toBe('noble')
    expect(codename({ VERSION_CODENAME: 'faye', DEBIAN_CODENAME: 'bookworm' })).toBe('bookworm')
    expect(codename({ ID: 'other' })).toBeUndefined()
  })

  test('only Debian 12 is in need of backports', () => {
    expect(backports({ VERSION_CODENAME: 'bookworm' })).toBe('bookworm-backports')
    expect(backports({ VERSION_CODENAME: 'trixie' })).toBeNull()
    expect(backports({})).toBeNull()
  })
})

describe("apt's sources", () => {
  test('Debian 12: its own suites, and the backports from the same mirror', () => {
    const security = 'http://security.invalid/debian-security'
    const text = uris([m, 'bookworm', 'main'], [m, 'bookworm', 'contrib'], [security, 'bookworm-security', 'main'])
    expect(sourcesFor(text, { VERSION_CODENAME: 'bookworm' }, never)).toEqual([
      `deb [target=Packages] ${m} bookworm main`,
      `deb [target=Packages] ${m} bookworm-backports main`,
      `deb [target=Packages] ${security} bookworm-security main`,
    ])
  })

  test('Debian 12 that has the backports already, from the same mirror or another', () => {
    const text = uris([m, 'bookworm-backports', 'main'], [m, 'bookworm', 'main'])
    expect(sourcesFor(text, { VERSION_CODENAME: 'bookworm' }, never)).toEqual([
      `deb [target=Packages] ${m} bookworm-backports main`,
      `deb [target=Packages] ${m} bookworm main`,
    ])
  })

  test('Ubuntu: main and universe of its suites, with its keyring; nothing of others', () => {
    const ubuntu = 'http://mirror.invalid/ubuntu'
    const text = uris(
      [ubuntu, 'noble', 'main'],
      [ubuntu, 'noble', 'universe'],
      [ubuntu, 'noble-updates', 'main'],
      [ubuntu, 'noble-proposed', 'main'],
      [ubuntu, 'noble-backports', 'main'],
      ['https://other.invalid/apt', 'stable', 'main'],
    )
    const options = '[target=Packages signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg]'
    expect(sourcesFor(text, { VERSION_CODENAME: 'noble', UBUNTU_CODENAME: 'noble' }, () => true)).toEqual([
      `deb ${options} ${ubuntu} noble main`,
      `deb ${options} ${ubuntu} noble universe`,
      `deb ${options} ${ubuntu} noble-updates main`,
    ])
  })

  test('an unknown distribution keeps its own', () => {
    expect(sourcesFor(uris([m, 'rolling', 'main']), { VERSION_CODENAME: 'other' }, never)).toBeNull()
    expect(sourcesFor(uris([m, 'bookworm', 'main']), {}, never)).toBeNull()
    expect(sourcesFor('', { VERSION_CODENAME: 'bookworm' }, never)).toBeNull()
  })
})
