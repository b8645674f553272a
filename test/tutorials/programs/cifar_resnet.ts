// ResNet-18 on CIFAR-10, after kuangliu/pytorch-cifar.
import { earlyStopping, type FitResult, fit, type ImageBatches, nn, optim, sched, type Tensor, tensor } from 'dawngrad'

/** (x − mean) / std, channel by channel. */
class Normalize extends nn.Module {
  readonly mean: Tensor
  readonly std: Tensor

  constructor(mean: readonly number[], std: readonly number[]) {
    super()
    this.mean = tensor(mean, [1, mean.length, 1, 1])
    this.std = tensor(std, [1, std.length, 1, 1])
  }

  override forward(x: Tensor): Tensor {
    return x.sub(this.mean).div(this.std)
  }
}

/** Images [N, 3, 32, 32] of bytes as numbers from 0 to 1 → logits. */
export function network(options: nn.ResNetOptions = {}): nn.Sequential {
  return new nn.Sequential(new Normalize([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.201]), nn.resnet(options))
}

/** Trains at a rate that falls along a cosine, and ends with the parameters of the epoch that was best in the test. */
export function train(
  net: nn.Module,
  data: { train: ImageBatches; test: ImageBatches },
  { lr = 0.1, epochs = 200 } = {},
): Promise<FitResult> {
  const optimizer = new optim.SGD(net.parameters(), { lr, momentum: 0.9, weightDecay: 5e-4 })
  const schedule = sched.cosineAnnealingLR({ lr, tMax: 200 })
  return fit(net, {
    data,
    optimizer,
    schedule,
    epochs,
    callbacks: [earlyStopping({ metric: 'testAcc', patience: epochs })],
  })
}
