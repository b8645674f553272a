// biome-ignore-all lint/suspicious/noFocusedTests: fit is one of what is tested
import {
  type AugmentOptions,
  Batches,
  fit,
  ImageBatches,
  type Normalization,
  nn,
  optim,
  permutation,
} from '../../src/index.ts'
import { type Area, loose } from './refusal.ts'

const set = (channels = 1) => ({
  images: new Uint8Array(2 * channels * 20),
  labels: Uint8Array.of(0, 1),
  count: 2,
  channels,
  height: 4,
  width: 5,
  classes: [],
})
const augmented = (augment: AugmentOptions, channels = 1) => new ImageBatches(set(channels), { augment })
const normalized = (normalize: Normalization) => new ImageBatches(set(3), { normalize })
const x = { data: new Float32Array(40), shape: [2, 1, 4, 5] }

export const augmentations: Area = {
  title: 'Augmentation',
  refusals: [
    {
      title: 'augment: an option that there is not',
      error: 'TypeError',
      text: 'ImageBatches: augment: unknown option scale; known: crop, flip, rotate, zoom, shift, cutout, brightness, contrast, paddingMode, masks',
      run: () => augmented(loose({ scale: [0.9, 1.1] })),
    },
    {
      title: 'augment: a number in place of crop’s options',
      error: 'TypeError',
      text: 'ImageBatches: augment.crop: options must be an object with any of padding, not 4',
      cure: 'Write crop: { padding: 4 }.',
      run: () => augmented({ crop: loose(4) }),
    },
    {
      title: 'augment: as much padding as a side has pixels',
      error: 'RangeError',
      text: 'ImageBatches: augment.crop.padding must be a whole number from 0 to 3, less than the sides of an image, 4 × 5, not 4',
      run: () => augmented({ crop: { padding: 4 } }),
    },
    {
      title: 'augment: a square larger than the image',
      error: 'RangeError',
      text: 'ImageBatches: augment.cutout must be a whole number from 0 to 4, at most the sides of an image, 4 × 5, not 8',
      run: () => augmented({ cutout: 8 }),
    },
    {
      title: 'augment: a probability above 1',
      error: 'RangeError',
      text: 'ImageBatches: augment.flip must be true, false or a probability from 0 to 1, not 2',
      run: () => augmented({ flip: 2 }),
    },
    {
      title: 'augment: more than half a turn',
      error: 'RangeError',
      text: 'ImageBatches: augment.rotate must be degrees from 0 to 180, not 270',
      cure: 'An angle is drawn from −rotate to rotate.',
      run: () => augmented({ rotate: 270 }),
    },
    {
      title: 'augment: a zoom of one number',
      error: 'RangeError',
      text: 'ImageBatches: augment.zoom must be two numbers from 0.1 to 10, the smaller first, not 0.2',
      run: () => augmented({ zoom: loose(0.2) }),
    },
    {
      title: 'augment: a shift in pixels',
      error: 'RangeError',
      text: 'ImageBatches: augment.shift must be a share of the sides, from 0 to 1, not 4',
      run: () => augmented({ shift: 4 }),
    },
    {
      title: 'augment: a brightness below 0',
      error: 'RangeError',
      text: 'ImageBatches: augment.brightness must be a finite number, 0 or more, not -0.2',
      run: () => augmented({ brightness: -0.2 }),
    },
    {
      title: 'augment: an unknown mode of padding',
      error: 'TypeError',
      text: "ImageBatches: augment.paddingMode must be 'zeros' or 'reflect', not 'edge'",
      run: () => augmented({ paddingMode: loose('edge') }),
    },
    {
      title: 'augment: the contrast of images of two channels',
      error: 'RangeError',
      text: 'ImageBatches: augment.contrast takes images of 1 or 3 channels, of which it knows the brightness, not of 2',
      run: () => augmented({ contrast: 0.2 }, 2),
    },
    {
      title: 'augment: masks that are not in a list',
      error: 'TypeError',
      text: "Batches: augment.masks must be a list of names of fields, not 'mask'",
      run: () => new Batches({ x }, { augment: { masks: loose('mask') } }),
    },
    {
      title: 'augment: a mask that there is not',
      error: 'RangeError',
      text: 'Batches: augment.masks names mask, and there is no such field',
      run: () => new Batches({ x }, { augment: { masks: ['mask'] } }),
    },
    {
      title: 'augment: a mask of bytes',
      error: 'TypeError',
      text: 'Batches: the mask m must be int32 or float32, not bytes; give an Int32Array',
      run: () => {
        const m = { data: new Uint8Array(40), shape: [2, 4, 5] }
        return new Batches({ x, m }, { augment: { masks: ['m'] } })
      },
    },
    {
      title: 'augment: a mask of another size than the images',
      error: 'ShapeError',
      text: `Batches: the mask m must be [count, 4, 5] or [count, channels, 4, 5], as high and wide as x
  m [2, 5, 4]`,
      run: () => {
        const m = { data: new Int32Array(40), shape: [2, 5, 4] }
        return new Batches({ x, m }, { augment: { masks: ['m'] } })
      },
    },
    {
      title: 'augment, normalize: batches without images',
      error: 'TypeError',
      text: 'Batches: augment takes one field of images, float32 or bytes with a scale, of shape [count, channels, height, width]; there is none',
      run: () => new Batches({ x: { data: new Float32Array(40), shape: [2, 4, 5] } }, { augment: { flip: true } }),
    },
    {
      title: 'augment, normalize: batches with two fields of images',
      error: 'TypeError',
      text: 'Batches: normalize takes one field of images, float32 or bytes with a scale, of shape [count, channels, height, width]; there are x, y',
      cure: 'Of masks, which are moved as the images are, augment.masks has the names.',
      run: () => new Batches({ x, y: x }, { normalize: { mean: 0, std: 1 } }),
    },
    {
      title: 'augment: brightness of pixels that are not from 0 to 1',
      error: 'RangeError',
      text: 'Batches: augment.brightness and augment.contrast take images from 0 to 1, and x has 255 at 39; bring them there, bytes by a scale of 1 / 255, and use normalize for the rest',
      run: () => {
        const data = new Float32Array(40)
        data[39] = 255
        return new Batches({ x: { ...x, data } }, { augment: { brightness: 0.1 } })
      },
    },
    {
      title: 'normalize: numbers for other channels than there are',
      error: 'RangeError',
      text: 'ImageBatches: normalize.mean must be a finite number, or 3 of them, one a channel, not [0.5, 0.5]',
      run: () => normalized({ mean: [0.5, 0.5], std: 1 }),
    },
    {
      title: 'normalize: a deviation of 0',
      error: 'RangeError',
      text: 'ImageBatches: normalize.std must be a finite number above 0, or 3 of them, one a channel, not 0',
      run: () => normalized({ mean: 0, std: 0 }),
    },
    {
      title: 'augment: an order without the number of its epoch',
      error: 'TypeError',
      text: 'ImageBatches: with augment every epoch has its own pictures: give its number, setOrder(order, { epoch, seed })',
      run: () => augmented({ flip: true }).setOrder(permutation(0, 1, 2)),
    },
    {
      title: 'augment: images to evaluate on',
      error: 'TypeError',
      text: 'fit: the test batches have augment, and their figures would be of other images each epoch; leave it out there',
      cure: 'Give both train and test the same normalize, and augment to train alone.',
      run: () => {
        const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(20, 2))
        const data = { train: augmented({ flip: true }), test: augmented({ flip: true }) }
        return fit(net, { data, optimizer: new optim.SGD(net.parameters(), { lr: 0.1 }), epochs: 1 })
      },
    },
  ],
}
