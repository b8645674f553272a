// TensorFlow.js as a contestant.
import '@tensorflow/tfjs-backend-webgpu'
import * as tf from '@tensorflow/tfjs'
import type { Contestant } from './contestant.ts'
import { kernel } from './tfjs_kernels.ts'
import { trainer } from './tfjs_models.ts'

export async function open(): Promise<Contestant> {
  if (!(await tf.setBackend('webgpu'))) throw new Error('TensorFlow.js could not start its WebGPU backend')
  await tf.ready()
  const version = tf.version_core as string
  return {
    title: `TensorFlow.js ${version}`,
    version,
    note: 'has its batch on the device as floats, labels one-hot, images and weights in its own order, NHWC',
    trainer: async (problem) => trainer(problem),
    kernel: async (item) => kernel(item),
    close: async () => tf.removeBackend('webgpu'),
  }
}
