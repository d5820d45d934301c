// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "core/error.hpp"
#include "kernels/host_transfer/host_transfer.hpp"
#include "runtime/buffer.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/device_info.hpp"
#include "runtime/device_memory.hpp"
#include "runtime/event.hpp"

namespace moecal::kernels {
namespace {

int current_device() {
  int device = 0;
  check(cudaGetDevice(&device), "asking for the current CUDA device");
  return device;
}

// Goes back to the device that was current.
class OnDevice {
 public:
  explicit OnDevice(int device) : before_{current_device()} { use_cuda_device(device); }
  ~OnDevice() { check_in_destructor(cudaSetDevice(before_), "going back to a CUDA device"); }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int before_;
};

// Host memory of either kind, cleared.
class HostSide {
 public:
  HostSide(std::int64_t bytes, bool pinned)
      : pinned_{pinned ? static_cast<std::size_t>(bytes) : 0} {
    if (pinned)
      std::memset(pinned_.data(), 0, pinned_.size());
    else
      pageable_.resize(static_cast<std::size_t>(bytes));
  }
  [[nodiscard]] std::span<std::byte> bytes() {
    if (!pageable_.empty()) return pageable_;
    return {pinned_.data(), pinned_.size()};
  }

 private:
  PinnedBuffer pinned_;
  std::vector<std::byte> pageable_;
};

/// One way of one device.
struct Way {
  int device = 0;
  bool to_device = false;
  bool pinned = true;
  std::uint64_t number = 0;
};

// A stream of its own for each, so that copies run at once.
class Copy {
 public:
  Copy(const Way& way, std::int64_t bytes)
      : way_{way},
        bytes_{bytes},
        pattern_{transfer_pattern(way.number, bytes)},
        host_{bytes, way.pinned},
        memory_{static_cast<std::size_t>(bytes)} {
    check(cudaMemset(memory_.data(), 0, memory_.size()), "clearing device memory");
    if (way.to_device)
      pattern_.copy(0, host_.bytes());
    else
      device_memory::write(memory_.data(), pattern_);
    check(cudaDeviceSynchronize(), "waiting for the patterns of copies");
  }
  void run(const CudaEvent& start, Stream whole) {
    const OnDevice here{way_.device};
    check(cudaStreamWaitEvent(stream_.get(), start.get(), 0), "waiting for the copies' start");
    void* host = host_.bytes().data();
    void* to = way_.to_device ? memory_.data() : host;
    const void* from = way_.to_device ? host : memory_.data();
    check(cudaMemcpyAsync(to, from, memory_.size(),
                          way_.to_device ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost,
                          stream_.get()),
          "copying " + std::to_string(bytes_) + " bytes");
    end_.record(stream_.get());
    check(cudaStreamWaitEvent(whole, end_.get(), 0), "waiting for a copy's end");
  }
  [[nodiscard]] bool arrived() {
    const OnDevice here{way_.device};
    stream_.synchronize();
    if (!way_.to_device) return pattern_.equals(0, host_.bytes());
    return device_memory::holds(memory_.data(), pattern_);
  }

 private:
  Way way_;
  std::int64_t bytes_;
  PeriodicBytes pattern_;
  HostSide host_;
  DeviceBuffer memory_;
  CudaStream stream_;
  CudaEvent end_;
};

class Copies final : public HostTransfer {
 public:
  Copies(const HostTransferShape& shape, const HostTransferKind& kind) {
    const int own = current_device();
    const int count = static_cast<int>(find_cuda_devices().devices.size());
    for (int device = 0; device < count; ++device) {
      if (!kind.all_devices && device != own) continue;
      const OnDevice here{device};
      for (const bool to_device : {true, false})
        if (to_device ? kind.to_device : kind.to_host)
          copies_.push_back(std::make_unique<Copy>(
              Way{device, to_device, kind.pinned, copies_.size() + 1}, shape.bytes));
    }
  }
  void run(Stream stream) override {
    start_.record(stream);
    for (auto& copy : copies_) copy->run(start_, stream);
  }
  [[nodiscard]] bool arrived() override {
    return std::ranges::all_of(copies_, [](const auto& copy) { return copy->arrived(); });
  }

 private:
  CudaEvent start_;
  std::vector<std::unique_ptr<Copy>> copies_;
};

}  // namespace

std::unique_ptr<HostTransfer> make_host_transfer(const HostTransferShape& shape,
                                                 const HostTransferKind& kind) {
  return std::make_unique<Copies>(shape, kind);
}

}  // namespace moecal::kernels
