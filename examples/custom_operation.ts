// Defines an operation, SiLU, x / (1 + e^−x), by two WGSL kernels and an Op; checks its gradient and trains with it.
// Run: node --import tsx examples/custom_operation.ts
// It prints
//   silu -0.072 -0.269 0.000 0.731 3.928
//   gradcheck true
//   train loss 1.898, 1.280, 0.982
import type { Op, Tensor } from 'dawngrad'
import { apply, empty, gradcheck, KernelFile, nn, open, tensor } from 'dawngrad'
// Only the training at the end needs these:

import { fit, ImageBatches, loadFashionMnist, optim } from 'dawngrad'

const code = /* wgsl */ `
struct Params { size: u32 } @group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>; @group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>; @group(0) @binding(4) var<storage, read_write> dx: array<f32>;
fn sigmoid(v: f32) -> f32 { return 1.0 / (1.0 + exp(-max(v, -80.0))); } // e^89 overflows float32
@compute @workgroup_size(64) fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) n: vec3u) {
  let i = id.y * n.x * 64u + id.x; // more than 65,535 groups are dispatched as several rows
  if (i < params.size) { y[i] = x[i] * sigmoid(x[i]); }
}
@compute @workgroup_size(64) fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) n: vec3u) {
  let i = id.y * n.x * 64u + id.x;
  if (i < params.size) { let s = sigmoid(x[i]); dx[i] = dy[i] * s * (1.0 + x[i] * (1.0 - s)); }
}`
const file = new KernelFile('silu', code)
const siluOp: Op<readonly [Tensor], null> = {
  name: 'silu',
  shape([x]) {
    if (x.dtype !== 'float32') throw new TypeError(`silu: input must be float32, it is ${x.dtype}`)
    return x.shape
  },
  forward(gpu, [x], _, shape) {
    const y = empty(gpu, shape)
    gpu.emit(file.entry('forward'), { params: { size: x.size }, x: x.storage, y: y.storage }, Math.ceil(x.size / 64))
    return { out: y, saved: [x] }
  },
  backward(gpu, dy, [x]) {
    const dx = empty(gpu, dy.shape)
    const bindings = { params: { size: dy.size }, x: x!.storage, dy: dy.storage, dx: dx.storage }
    gpu.emit(file.entry('backward'), bindings, Math.ceil(dy.size / 64))
    return [dx]
  },
}
const silu = (x: Tensor) => apply(siluOp, [x], null)
class SiLU extends nn.Module {
  override forward(x: Tensor): Tensor {
    return silu(x)
  }
}

await open()
const x = tensor([-4, -1, 0, 1, 4], [5], { requiresGrad: true })
console.log(`silu ${Array.from(await silu(x).data(), (v) => v.toFixed(3)).join(' ')}`)
console.log(`gradcheck ${await gradcheck(silu, [x])}`)
const { train } = await loadFashionMnist({ dir: new URL('sample/', import.meta.url), verify: false })
const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 64), new SiLU(), new nn.Linear(64, 10))
const optimizer = new optim.SGD(net.parameters(), { lr: 0.2 })
const { history } = await fit(net, { data: new ImageBatches(train, { batchSize: 32 }), optimizer, epochs: 3 })
console.log(`train loss ${history.map(({ trainLoss }) => trainLoss.toFixed(3)).join(', ')}`)
