import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { WriteError } from '../../src/node/files.ts'
import {
  DataError,
  loadSafetensors,
  manualSeed,
  nn,
  saveSafetensors,
  type Tensor,
  tensor,
} from '../../src/node/index.ts'
import { testGpu } from '../support/gpu.ts'
import { readSafetensors } from '../support/safetensors.ts'

let folder: string
beforeAll(async () => {
  await testGpu()
  folder = mkdtempSync(join(tmpdir(), 'dawngrad-safetensors-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('it went well'),
    (error: Error) => error,
  )

it('a network goes into a file under PyTorch’s names, and comes out of it with every bit', async () => {
  manualSeed(1)
  const net = nn.lenet()
  const path = join(folder, 'lenet.safetensors')
  await saveSafetensors(path, net.stateDict())
  const stored = readSafetensors(path)
  expect([...stored.tensors.keys()].sort()).toEqual([...net.namedParameters().keys()].sort())
  manualSeed(2)
  const other = nn.lenet()
  const { tensors } = (await testGpu()).memory()
  const loaded = await loadSafetensors(path)
  other.loadStateDict(loaded)
  for (const t of loaded.values()) t.dispose()
  // Fewer where the garbage of other tests was collected meanwhile.
  expect((await testGpu()).memory().tensors).toBeLessThanOrEqual(tensors)
  for (const [name, parameter] of net.namedParameters()) {
    expect(await other.namedParameters().get(name)!.data()).toEqual(await parameter.data())
    expect(stored.tensors.get(name)).toMatchObject({ dtype: 'F32', shape: [...parameter.shape] })
    expect(stored.tensors.get(name)!.data).toEqual(await parameter.data())
  }
  for (const module of [net, other]) module.dispose()
})

it('every type does, NaN’s bits, no elements and no dimensions included', async () => {
  const bits = new Float32Array(Uint32Array.of(0x7fc12345, 0x80000000, 0xff800000).buffer)
  const given: Record<string, Tensor> = {
    floats: tensor(bits, [3, 1]),
    integers: tensor(Int32Array.of(-5, 6)),
    bytes: tensor(Uint8Array.of(1, 2, 255), [1, 3]),
    none: tensor(new Float32Array(0), [2, 0]),
    one: tensor(3),
  }
  const path = join(folder, 'types.safetensors')
  await saveSafetensors(path, given)
  const loaded = await loadSafetensors(path)
  expect([...loaded.keys()].sort()).toEqual(Object.keys(given).sort())
  for (const [name, t] of loaded) {
    const { dtype, shape } = given[name]!
    expect({ dtype: t.dtype, shape: t.shape, name: t.name }).toEqual({ dtype, shape, name })
    const [found, expected] = await Promise.all([t.data(), given[name]!.data()])
    expect(new Uint8Array(found.buffer)).toEqual(new Uint8Array(expected.buffer))
    t.dispose()
    given[name]!.dispose()
  }
})

it('what can’t be saved is refused, and nothing is left behind', async () => {
  const t = tensor([1])
  const before = readdirSync(folder).sort()
  const message = async (tensors: unknown, path = join(folder, 'x')) =>
    (await failure(saveSafetensors(path, tensors as Record<string, Tensor>))).message
  expect(await message({ '../t': t })).toBe(
    'safetensors: tensor "../t": a name must not be a path that leads out of a folder',
  )
  expect(await message({ t: 5 })).toBe('saveSafetensors: "t" is not a tensor')
  const right = 'a map or an object of tensors by their names, such as net.stateDict()'
  const other: [unknown, string][] = [
    [null, 'null'],
    [new nn.Sequential(new nn.Linear(1, 1)), 'a Sequential'],
    [[t], '[a Tensor]'],
  ]
  for (const [given, shown] of other) {
    expect(await message(given)).toBe(`saveSafetensors: the tensors must be ${right}, not ${shown}`)
  }
  const nowhere = join(folder, 'nowhere', 'x')
  expect(await message({ t }, nowhere)).toMatch(/^\S+\/nowhere\/x can't be written: ENOENT: /)
  expect(await failure(saveSafetensors(nowhere, { t }))).toBeInstanceOf(WriteError)
  expect(await message({ t }, folder)).toMatch(/can't be written: E(ISDIR|EXIST|PERM)/)
  expect(readdirSync(folder).sort()).toEqual(before)
  t.dispose()
})

it('what can’t be loaded is told by name, and no tensor is left', async () => {
  const { tensors } = (await testGpu()).memory()
  const path = join(folder, 'bad.safetensors')
  writeFileSync(path, 'not of this kind')
  for (const [file, message] of [
    [path, 'its header would have 8367800735126286190 bytes, but 8 follow'],
    [join(folder, 'absent'), 'cannot be read (ENOENT)'],
    [folder, 'not a regular file'],
  ] as const) {
    const error = await failure(loadSafetensors(file))
    expect(error).toBeInstanceOf(DataError)
    expect(error.message).toBe(`${file}: ${message}`)
  }
  // Fewer where the garbage of other tests was collected meanwhile.
  expect((await testGpu()).memory().tensors).toBeLessThanOrEqual(tensors)
})
