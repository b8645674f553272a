// Attention, encoder layers and the models made of them: PyTorch's values, masks, modes, and first steps of training.
import { beforeAll, describe, expect, it } from 'vitest'
import { capture, crossEntropy, manualSeed, nn, optim, scope, type Tensor, tensor } from '../../src/node/index.ts'
import { fill } from '../support/arbitraries.ts'
import { bitsOf } from '../support/check.ts'
import { expectClose, UNIT_ROUNDOFF } from '../support/close.ts'
import { testGpu, values } from '../support/gpu.ts'
import { sizeOf } from '../support/ref.ts'
import { float32Of, int32Of, readSafetensors } from '../support/safetensors.ts'

beforeAll(testGpu)

interface ModuleCase {
  readonly name: string
  readonly args: Readonly<Record<string, unknown>>
  readonly inputs: readonly string[]
  readonly masks: readonly string[]
  /** The largest distance of PyTorch's float32 values, by tensor. */
  readonly float32_deviation: Readonly<Record<string, number>>
}

interface ModelCase {
  readonly name: string
  readonly losses: readonly number[]
  readonly float32_deviation: number
}

const file = readSafetensors(new URL('../reference/transformers.safetensors', import.meta.url))
const all = JSON.parse(file.metadata.cases!) as (ModuleCase | ModelCase)[]
const modules = all.filter((c): c is ModuleCase => 'inputs' in c)
const models = all.filter((c): c is ModelCase => 'losses' in c)

const camel = (name: string) => name.replace(/_(\w)/g, (_, c: string) => c.toUpperCase())

/** A stored tensor, of the type that it has. */
function stored(name: string): Tensor {
  const { dtype, shape, data } = file.tensors.get(name)!
  if (dtype === 'U8') return tensor(Uint8Array.from(data as Uint8Array), [...shape])
  return dtype === 'I32' ? tensor(int32Of(file, name).data, [...shape]) : tensor(float32Of(file, name).data, [...shape])
}

/** The stored tensors whose names begin so, by the rest of their names. */
function storedBelow(prefix: string): Map<string, Tensor> {
  const names = [...file.tensors.keys()].filter((name) => name.startsWith(prefix))
  return new Map(names.map((name) => [name.slice(prefix.length), stored(name)]))
}

/** How much further than PyTorch's float32 a value may be from its float64: exponentials and divisions are less exact here. */
const FURTHER = 16

/** What the values of a tensor may be off by. */
const boundOf = (far: number, largest: number) => FURTHER * far + 4 * UNIT_ROUNDOFF * largest

async function expectStored(actual: Tensor | null, name: string, far: number): Promise<void> {
  const { shape, data } = float32Of(file, name)
  expect(actual?.shape, name).toEqual(shape)
  const bound = boundOf(far, Math.max(...data.map(Math.abs)))
  expectClose(await values(actual), Float64Array.from(data), () => bound, name)
}

describe('PyTorch’s values:', () => {
  it.each(modules.map((c) => [c.name, c] as const))('%s', async (name, one) => {
    const { args, inputs: roles, masks, float32_deviation: far } = one
    const { causal, ...given } = args
    const options = Object.fromEntries(Object.entries(given).map(([key, value]) => [camel(key), value]))
    const ofLayer = name.startsWith('layer')
    const { embedDim, numHeads, dModel, nhead, ...rest } = options as Record<string, number>
    const module = ofLayer
      ? new nn.TransformerEncoderLayer(dModel!, nhead!, { ...rest, dropout: 0 })
      : new nn.MultiheadAttention(embedDim!, numHeads!, rest)
    const parameters = storedBelow(`${name}.parameter.`)
    expect([...module.stateDict().keys()]).toEqual([...parameters.keys()])
    module.loadStateDict(parameters)
    const inputs = roles.map((role) => {
      const t = stored(`${name}.${role}`)
      t.requiresGrad = true
      return t
    })
    const hiding = Object.fromEntries(masks.map((role) => [camel(role), stored(`${name}.${role}`)]))
    const run = (how: object) => {
      if (module instanceof nn.TransformerEncoderLayer) return module.forward(inputs[0]!, how)
      const [query, key = query, value = key] = inputs
      return module.forward(query!, key, value, how)
    }
    const out = run(hiding)
    out.backward(stored(`${name}.grad_out`))
    const found = new Map<string, Tensor | null>([
      ['out', out],
      ...roles.map((role, i) => [`grad_${role}`, inputs[i]!.grad] as const),
      ...[...module.namedParameters()].map(([key, parameter]) => [`grad.${key}`, parameter.grad] as const),
    ])
    expect([...found.keys()].sort()).toEqual(Object.keys(far).sort())
    for (const [key, t] of found) await expectStored(t, `${name}.${key}`, far[key]!)
    if (causal === true) expect(await bitsOf(run({ isCausal: true }))).toEqual(await bitsOf(out))
    module.dispose()
  })

  /** The model of this name. */
  function modelOf(name: string): nn.Module {
    const layers = { heads: 2, width: 8 }
    if (name === 'vit') return nn.vit({ ...layers, imageSize: 8, patchSize: 4, channels: 2, layers: 2, classes: 3 })
    if (name === 'gpt') return nn.gpt({ ...layers, vocab: 11, context: 8, layers: 2 })
    return nn.gpt({ ...layers, vocab: 7, context: 6, layers: 1, tied: false })
  }

  it.each(models.map((c) => [c.name, c] as const))(
    '%s: losses of the first steps',
    async (name, { losses, float32_deviation: far }) => {
      const [x, y] = [stored(`${name}.x`), stored(`${name}.y`)]
      for (const captured of [false, true]) {
        const net = modelOf(name)
        const parameters = storedBelow(`${name}.parameter.`)
        expect([...net.stateDict().keys()].sort()).toEqual([...parameters.keys()].sort())
        net.loadStateDict(parameters)
        const optimizer = new optim.AdamW(net.parameters(), { lr: 0.01 })
        const step = () => {
          const logits = net.forward(x)
          const loss = crossEntropy(logits.reshape([-1, logits.shape.at(-1)!]), y.reshape([y.size]))
          optimizer.zeroGrad()
          loss.backward()
          optimizer.step()
          return loss
        }
        const plan = captured ? capture(step) : null
        const found: number[] = []
        for (const _ of losses) {
          if (plan) {
            plan.run()
            found.push(await plan.result.item())
          } else {
            const loss = scope(step)
            found.push(await loss.item())
            loss.dispose()
          }
        }
        const bound = boundOf(far, Math.max(...losses))
        expectClose(Float32Array.from(found), Float64Array.from(losses), () => bound, name)
        plan?.dispose()
        net.dispose()
      }
    },
  )
})

/** Standard normal numbers. */
const drawn = (...shape: number[]) => tensor(fill(sizeOf(shape), 3, 'normal'), shape)

/** The largest absolute value, and the root of the mean square. */
async function spreadOf(t: Tensor): Promise<[largest: number, deviation: number]> {
  const data = await values(t)
  return [
    data.reduce((most, v) => Math.max(most, Math.abs(v)), 0),
    Math.sqrt(data.reduce((sum, v) => sum + v * v, 0) / data.length),
  ]
}

describe('nn.Embedding', () => {
  it('has a standard normal weight, 0 in the row that is not trained, and rows of it as its output', async () => {
    manualSeed(1)
    const layer = new nn.Embedding(50, 40, { paddingIdx: -1 })
    const weight = await values(layer.weight)
    expect([...weight.slice(49 * 40)]).toEqual(Array(40).fill(0))
    const [, deviation] = await spreadOf(layer.weight)
    // Of 1,960 numbers the root of the mean square is within four deviations of 1.
    expect(Math.abs(deviation / Math.sqrt(0.98) - 1)).toBeLessThan(4 / Math.sqrt(2 * 1960))
    const out = layer.forward(tensor(Int32Array.of(3, 49, 3), [1, 3]))
    expect(out.shape).toEqual([1, 3, 40])
    expect([...(await values(out))]).toEqual([
      ...weight.slice(120, 160),
      ...Array(40).fill(0),
      ...weight.slice(120, 160),
    ])
    out.sum().backward()
    const grad = await values(layer.weight.grad)
    expect([grad[120], grad[49 * 40], grad[0]]).toEqual([2, 0, 0])
    layer.dispose()
  })
})

describe('nn.MultiheadAttention', () => {
  it('begins with Xavier’s weights and no biases', async () => {
    manualSeed(2)
    const layer = new nn.MultiheadAttention(32, 4)
    const [largest, deviation] = await spreadOf(layer.in_proj_weight!)
    const bound = Math.sqrt(6 / 128)
    expect(largest).toBeLessThanOrEqual(bound)
    // Of 3,072 uniform numbers.
    expect(Math.abs(deviation / (bound / Math.sqrt(3)) - 1)).toBeLessThan(4 * Math.sqrt(0.2 / 3072))
    for (const bias of [layer.in_proj_bias!, layer.out_proj.bias!]) expect(await spreadOf(bias)).toEqual([0, 0])
    expect((await spreadOf(layer.out_proj.weight))[0]).toBeLessThanOrEqual(1 / Math.sqrt(32))
    layer.dispose()
  })

  it('drops weights in training mode alone', async () => {
    manualSeed(3)
    const [layer, x] = [new nn.MultiheadAttention(8, 2, { dropout: 0.5 }), drawn(6, 2, 8)]
    const [first, second] = [await values(layer.forward(x)), await values(layer.forward(x))]
    expect(second).not.toEqual(first)
    layer.eval()
    const still = await values(layer.forward(x))
    expect(await values(layer.forward(x))).toEqual(still)
    layer.dispose()
  })

  it('takes one tensor for three: the same values as three tensors of these values', async () => {
    const [layer, x] = [new nn.MultiheadAttention(8, 2), drawn(6, 2, 8)]
    const apart = await values(layer.forward(x, x.detach(), x.detach()))
    const once = await values(layer.forward(x))
    expect(once).toEqual(apart)
    layer.dispose()
  })
})

describe('nn.TransformerEncoderLayer', () => {
  it('drops in training mode alone, also what does not come from the attention', async () => {
    manualSeed(4)
    const [layer, x] = [new nn.TransformerEncoderLayer(8, 2, { dimFeedforward: 16, dropout: 1 }), drawn(3, 2, 8)]
    // At probability 1 there are two norms of the input alone.
    const alone = layer.norm2.forward(layer.norm1.forward(x))
    expect(await values(layer.forward(x))).toEqual(await values(alone))
    expect(await values(layer.eval().forward(x))).not.toEqual(await values(alone))
    layer.dispose()
  })
})

describe('nn.gpt', () => {
  const options = { vocab: 20, context: 6, layers: 2, heads: 2, width: 16 }

  it('a token has no part in the logits before it, and one in all after', async () => {
    manualSeed(5)
    const net = nn.gpt(options)
    const logits = async (token: number) => values(net.forward(tensor(Int32Array.of(1, 2, token, 4, 5), [1, 5])))
    const [first, second] = [await logits(3), await logits(7)]
    const same = Array.from({ length: 5 }, (_, t) => {
      const of = (all: Float32Array) => all.slice(t * 20, (t + 1) * 20).join()
      return of(first) === of(second)
    })
    expect(same).toEqual([true, true, false, false, false])
    net.dispose()
  })

  it('begins with GPT-2’s weights', async () => {
    manualSeed(6)
    const net = nn.gpt({ ...options, tied: false })
    const state = net.stateDict()
    for (const [name, t] of state) {
      const [, deviation] = await spreadOf(t)
      const residual = /out_proj.weight|linear2.weight/.test(name)
      const expected = name.includes('norm') ? Number(name.endsWith('weight')) : name.endsWith('bias') ? 0 : 0.02
      const wanted = residual ? 0.02 / Math.sqrt(4) : expected
      expect(Math.abs(deviation - wanted), name).toBeLessThanOrEqual((4 * wanted) / Math.sqrt(2 * t.size))
    }
    expect(net.head!.weight.shape).toEqual([20, 16])
    net.dispose()
  })
})

describe('nn.vit', () => {
  it('takes patches of images that are not square', async () => {
    const options = { channels: 1, width: 8, layers: 1, heads: 2, classes: 5 }
    const net = nn.vit({ ...options, imageSize: [8, 12], patchSize: [4, 3], dropout: 0.1 })
    expect([net.positions.shape, net.forward(drawn(2, 1, 8, 12)).shape]).toEqual([
      [1, 9, 8],
      [2, 5],
    ])
    expect((await spreadOf(net.token))[0]).toBe(0)
    expect(Math.abs((await spreadOf(net.positions))[1] - 0.02)).toBeLessThan((4 * 0.02) / Math.sqrt(2 * 72))
    net.dispose()
  })
})
