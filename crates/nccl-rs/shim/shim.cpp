// A C interface to the process groups inside libtorch (c10d), for src/ffi.rs. No exception leaves it: a function that
// fails returns null or -1 and leaves the message for cx_last_error of the same thread.
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#ifdef COXSWAIN_CUDA
#define USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/NCCLUtils.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <chrono>
#include <string>
#include <thread>

using Millis = std::chrono::milliseconds;

namespace {
thread_local std::string last_error;

// The first line: what follows it is a C++ stack.
void keep(const char* what) {
  last_error = what;
  last_error = last_error.substr(0, last_error.find('\n'));
}
}  // namespace

#define GUARD(failure, ...)                   \
  try {                                       \
    __VA_ARGS__                               \
  } catch (const c10::Error& e) {             \
    keep(e.what_without_backtrace());         \
    return failure;                           \
  } catch (const std::exception& e) {         \
    keep(e.what());                           \
    return failure;                           \
  } catch (...) {                             \
    keep("an exception of an unknown type");  \
    return failure;                           \
  }

struct CxStore {
  c10::intrusive_ptr<c10d::TCPStore> store;
};

struct CxGroup {
  c10::intrusive_ptr<c10d::Backend> backend;
  bool cuda;
};

struct CxWork {
  c10::intrusive_ptr<c10d::Work> work;
  bool cuda;
};

extern "C" {

const char* cx_last_error() { return last_error.c_str(); }

// The server's side of a store when `is_server`, else a client's. Port 0 lets the system choose.
CxStore* cx_store_open(const char* host, uint16_t port, int is_server, int64_t timeout_ms) {
  GUARD(nullptr, {
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = is_server != 0;
    options.waitWorkers = false;
    options.timeout = Millis(timeout_ms);
    return new CxStore{c10::make_intrusive<c10d::TCPStore>(std::string(host), options)};
  })
}

uint16_t cx_store_port(const CxStore* store) { return store->store->getPort(); }

void cx_store_free(CxStore* store) { delete store; }

// Blocks until all ranks have come, at most `timeout_ms`. `host` is the address on which this rank can be reached.
CxGroup* cx_group_gloo(CxStore* store, const char* host, int rank, int size, int64_t timeout_ms) {
  GUARD(nullptr, {
    auto options = c10d::ProcessGroupGloo::Options::create(Millis(timeout_ms));
    options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(host));
    options->threads = 2;
    auto backend = c10::make_intrusive<c10d::ProcessGroupGloo>(store->store, rank, size, options);
    return new CxGroup{backend, false};
  })
}

#ifdef COXSWAIN_CUDA
// NCCL's version, such as 22809 for 2.28.9.
int cx_nccl_version() { return c10d::getNcclVersionNumber(); }

CxGroup* cx_group_nccl(CxStore* store, int device, int rank, int size, int64_t timeout_ms) {
  GUARD(nullptr, {
    auto options = c10d::ProcessGroupNCCL::Options::create(false);
    options->timeout = Millis(timeout_ms);
    auto backend = c10::make_intrusive<c10d::ProcessGroupNCCL>(store->store, rank, size, options);
    backend->eagerConnectSingleDevice(at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(device)));
    return new CxGroup{backend, true};
  })
}
#endif

// How long collectives that begin from now on may take.
int cx_group_set_timeout(CxGroup* group, int64_t timeout_ms) {
  GUARD(-1, {
    group->backend->setTimeout(Millis(timeout_ms));
    return 0;
  })
}

CxWork* cx_all_reduce(CxGroup* group, at::Tensor* tensor) {
  GUARD(nullptr, {
    std::vector<at::Tensor> tensors{*tensor};
    return new CxWork{group->backend->allreduce(tensors), group->cuda};
  })
}

CxWork* cx_all_to_all(CxGroup* group, at::Tensor* output, at::Tensor* input, const int64_t* output_sizes,
                      const int64_t* input_sizes, size_t ranks) {
  GUARD(nullptr, {
    std::vector<int64_t> outputs(output_sizes, output_sizes + ranks);
    std::vector<int64_t> inputs(input_sizes, input_sizes + ranks);
    return new CxWork{group->backend->alltoall_base(*output, *input, outputs, inputs), group->cuda};
  })
}

CxWork* cx_all_gather(CxGroup* group, at::Tensor* output, at::Tensor* input) {
  GUARD(nullptr, { return new CxWork{group->backend->_allgather_base(*output, *input), group->cuda}; })
}

CxWork* cx_broadcast(CxGroup* group, at::Tensor* tensor, int root) {
  GUARD(nullptr, {
    std::vector<at::Tensor> tensors{*tensor};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    options.rootTensor = 0;
    return new CxWork{group->backend->broadcast(tensors, options), group->cuda};
  })
}

CxWork* cx_barrier(CxGroup* group) {
  GUARD(nullptr, { return new CxWork{group->backend->barrier(), group->cuda}; })
}

// 1 when done, whether well or not; 0 while under way.
int cx_work_is_done(CxWork* work) {
  GUARD(-1, { return work->work->isCompleted() ? 1 : 0; })
}

// 1 when done well, 0 if `timeout_ms` passed first, -1 when it failed.
int cx_work_wait(CxWork* work, int64_t timeout_ms) {
  GUARD(-1, {
    const auto deadline = std::chrono::steady_clock::now() + Millis(timeout_ms);
    if (work->cuda) {
      // Waiting on NCCL only orders streams; completion has to be asked for.
      while (!work->work->isCompleted()) {
        if (std::chrono::steady_clock::now() >= deadline) return 0;
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
      // With c10d's own error handling off, `wait` says nothing of a failure.
      if (auto failure = work->work->exception()) std::rethrow_exception(failure);
      work->work->wait();
      return 1;
    }
    try {
      work->work->wait(Millis(timeout_ms));
    } catch (...) {
      // c10d throws for a passed time as for a failure, and the work may complete right after the time has passed.
      if (!work->work->isCompleted()) return 0;
      if (auto failure = work->work->exception()) std::rethrow_exception(failure);
    }
    return 1;
  })
}

void cx_work_free(CxWork* work) { delete work; }

int cx_group_abort(CxGroup* group) {
  GUARD(-1, {
    group->backend->abort();
    return 0;
  })
}

// Blocks for as long as an operation of the group is under way. NCCL's are given up first: c10d's destructor would do it
// too, and end the process where that fails.
void cx_group_free(CxGroup* group) {
  if (group->cuda) {
    try {
      group->backend->abort();
    } catch (...) {
    }
  }
  delete group;
}
}
