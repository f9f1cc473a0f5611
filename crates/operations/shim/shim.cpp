// A C interface to operations of libtorch that `tch` does not wrap, for src/ffi.rs. No exception leaves it: a function
// that fails returns -1 and leaves the message for co_last_error of the same thread.
#include <ATen/Context.h>
#include <ATen/Version.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/native_batch_norm_backward.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <torch/version.h>

#include <array>
#include <memory>
#include <string>
#include <tuple>

namespace {
thread_local std::string last_error;

// The first line: what follows it is a C++ stack.
void keep(const char* what) {
  last_error = what;
  last_error = last_error.substr(0, last_error.find('\n'));
}
}  // namespace

#define GUARD(...)                            \
  try {                                       \
    __VA_ARGS__                               \
    return 0;                                 \
  } catch (const c10::Error& e) {             \
    keep(e.what_without_backtrace());         \
  } catch (const std::exception& e) {         \
    keep(e.what());                           \
  } catch (...) {                             \
    keep("an exception of an unknown type");  \
  }                                           \
  return -1;

extern "C" {

const char* co_last_error() { return last_error.c_str(); }

// The version that this was compiled against, and so linked with.
const char* co_libtorch_version() { return TORCH_VERSION; }

// The instruction set that libtorch's own kernels use, such as AVX2.
const char* co_cpu_capability() {
  static const std::string capability = at::get_cpu_capability();
  return capability.c_str();
}

// Whether kernels whose results depend on the order of threads are left aside, where there are others.
void co_set_deterministic(int deterministic) {
  at::globalContext().setDeterministicCuDNN(deterministic != 0);
  at::globalContext().setDeterministicAlgorithms(deterministic != 0, /*warn_only=*/true);
  // New memory would be filled first, for the sake of code that reads it unwritten.
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

int co_is_deterministic() {
  return at::globalContext().deterministicCuDNN() && at::globalContext().deterministicAlgorithms();
}

// Floats of 32 bits keep all of them: cuDNN's convolutions would round them to TF32 by themselves.
void co_keep_all_bits() {
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setAllowTF32CuBLAS(false);
}

int co_keeps_all_bits() { return !at::globalContext().allowTF32CuDNN() && !at::globalContext().allowTF32CuBLAS(); }

// Writes a new tensor to `out`: a copy in memory that a GPU can read by itself.
int co_pin_memory(const at::Tensor* tensor, at::Tensor** out) {
  GUARD({ *out = new at::Tensor(tensor->pin_memory()); })
}

// Writes a new tensor to `out`: a weight of a convolution with channels last in memory, in bf16 if `half` is set, by one kernel.
int co_channels_last(const at::Tensor* weight, int half, at::Tensor** out) {
  GUARD({
    const auto kind = half ? at::kBFloat16 : weight->scalar_type();
    *out = new at::Tensor(weight->to(weight->options().dtype(kind), false, false, at::MemoryFormat::ChannelsLast));
  })
}

// Writes a new event to `out`, in the current stream of a GPU: it is reached once all work before it is done.
int co_event_record(int device, c10::Event** out) {
  GUARD({
    const c10::Device gpu(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(device));
    const c10::impl::VirtualGuardImpl guard(c10::DeviceType::CUDA);
    auto event = std::make_unique<c10::Event>(c10::DeviceType::CUDA, c10::EventFlag::BACKEND_DEFAULT);
    event->record(guard.getStream(gpu));
    *out = event.release();
  })
}

int co_event_is_reached(const c10::Event* event, int* out) {
  GUARD({ *out = event->query() ? 1 : 0; })
}

// Writes the milliseconds between two events that are reached.
int co_event_elapsed(const c10::Event* start, const c10::Event* end, double* out) {
  GUARD({ *out = start->elapsedTime(*end); })
}

void co_event_free(c10::Event* event) { delete event; }

// A step of SGD, as torch.optim.SGD(fused=True) does it, after the first.
int co_fused_sgd(at::Tensor* parameters, at::Tensor* gradient, at::Tensor* momentum, double weight_decay, double kept,
                 double rate, int nesterov) {
  GUARD({
    std::vector<at::Tensor> p{*parameters}, g{*gradient}, m{*momentum};
    at::_fused_sgd_(p, g, m, weight_decay, kept, rate, /*dampening=*/0, nesterov != 0, /*maximize=*/false,
                    /*is_first_step=*/false);
  })
}

// Writes new tensors to `out`: the gradients of input and weight, each null unless it is wanted.
int co_convolution_backward(const at::Tensor* gradient, const at::Tensor* input, const at::Tensor* weight,
                            int64_t stride, int64_t padding, int input_wanted, int weight_wanted,
                            at::Tensor** out) {
  GUARD({
    auto [x, w, b] = at::convolution_backward(*gradient, *input, *weight, c10::nullopt, {stride, stride},
                                              {padding, padding}, {1, 1}, false, {0, 0}, 1,
                                              std::array<bool, 3>{input_wanted != 0, weight_wanted != 0, false});
    out[0] = input_wanted ? new at::Tensor(x) : nullptr;
    out[1] = weight_wanted ? new at::Tensor(w) : nullptr;
  })
}

// Writes new tensors to `out`: the gradients of input, weight and bias.
int co_batch_norm_backward(const at::Tensor* gradient, const at::Tensor* input, const at::Tensor* weight,
                           const at::Tensor* mean, const at::Tensor* invstd, double epsilon, at::Tensor** out) {
  GUARD({
    auto [x, w, b] = at::native_batch_norm_backward(*gradient, *input, *weight, {}, {}, *mean, *invstd, true, epsilon,
                                                    std::array<bool, 3>{true, true, true});
    out[0] = new at::Tensor(x);
    out[1] = new at::Tensor(w);
    out[2] = new at::Tensor(b);
  })
}
}
