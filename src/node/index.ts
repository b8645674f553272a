// The entry under Node: the portable one and what needs Node.
import './paths.ts'

export * from '../index.ts'
export { checkpointFolder } from './checkpoint_store.ts'
export { csvLogger } from './csv_logger.ts'
export { type LoadFashionMnistOptions, loadFashionMnist } from './fashion_mnist.ts'
export { type ImageFolder, type ImageFolderOptions, imageFolder } from './image_folder.ts'
export { type NodeOpenOptions, open } from './open.ts'
export { loadSafetensors, saveSafetensors } from './safetensors.ts'
