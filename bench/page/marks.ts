// Which kernels are as fast as they are meant to be beside other libraries, and why some are not.
import { type KernelCase, LENET_KERNELS, shapeOf } from '../peers/kernels.ts'
import { digits } from '../report.ts'
import type { Peers } from './records.ts'

/** How many times as fast as the others a kernel should be, at LeNet's shapes and at larger ones. */
const MARKS = { lenet: { tfjs: 2, jaxjs: 1.5 }, large: { tfjs: 1, jaxjs: 1 } } as const

/** Why a kernel is below a mark, or so near that it is below in some runs. The experiments are in docs/performance.md. */
const REASONS: Partial<Record<KernelCase['name'], string>> = {
  'max_pool2d forward':
    'it moves its bytes at three quarters of the bandwidth of a plain copy, so no kernel could be more than 1.4 times as ' +
    'fast; LeNet trains with it fused into the convolution',
  'linear forward':
    'one dispatch reads unpacked operands; packing them first, in two dispatches, takes a seventh less of the processor, ' +
    'about what a dispatch costs in a step',
  'conv2d forward': 'with one input channel, each loaded value is used only six times; LeNet trains with it fused',
}

/** The kernels below the marks, with the reasons. */
export function marks({ kernels }: Peers): string {
  const below = kernels.flatMap(({ name, shape, details }) => {
    const own = details.dawngrad?.medianMs
    if (own === undefined) return []
    const isLeNets = LENET_KERNELS.some((item) => item.name === name && shapeOf(item) === shape)
    const mark = isLeNets ? MARKS.lenet : MARKS.large
    const found = (['tfjs', 'jaxjs'] as const).flatMap((key) => {
      const ms = details[key]?.medianMs
      return ms === undefined || ms / own >= mark[key]
        ? []
        : [`${digits(ms / own)}× ${key === 'tfjs' ? 'TensorFlow.js' : 'jax-js'}`]
    })
    if (found.length === 0) return []
    const reason = REASONS[name as KernelCase['name']] ?? 'no reason is known'
    return [`- ${name} \`${shape}\`, ${found.join(', ')}: ${reason}.`]
  })
  const { lenet } = MARKS
  const aim =
    `The marks: ${lenet.tfjs}× TensorFlow.js and ${lenet.jaxjs}× jax-js at the shapes of LeNet (batch 256), and not slower at larger shapes. ` +
    (below.length === 0 ? 'Every kernel meets them.' : 'Below them:')
  return [aim, ...(below.length === 0 ? [] : [below.join('\n')])].join('\n\n')
}
