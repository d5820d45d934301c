// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

#include <algorithm>

#include "core/error.hpp"
#include "core/hash.hpp"
#include "kernels/host_transfer/host_transfer.hpp"
#include "runtime/buffer.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/device_info.hpp"
#include "runtime/event.hpp"

namespace moecal::kernels {
namespace {

// Another pattern for every copy: one that went to the wrong place is seen.
std::vector<std::byte> pattern(std::int64_t bytes, std::uint64_t number) {
  std::vector<std::byte> values(static_cast<std::size_t>(bytes));
  const std::uint64_t start = mix(number);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<std::byte>((start + i * 2654435761U) >> 13);
  return values;
}

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

// Host memory of either kind.
class HostSide {
 public:
  HostSide(const std::vector<std::byte>& values, bool pinned)
      : pinned_{pinned ? values.size() : 0} {
    if (!pinned) pageable_.resize(values.size());
    std::copy(values.begin(), values.end(), data());
  }
  [[nodiscard]] std::byte* data() { return pageable_.empty() ? pinned_.data() : pageable_.data(); }

 private:
  PinnedBuffer pinned_;
  std::vector<std::byte> pageable_;
};

// One way of one device: a stream of its own, so that copies run at once.
class Copy {
 public:
  Copy(int device, bool to_device, std::vector<std::byte> values, bool pinned)
      : device_{device},
        to_device_{to_device},
        values_{std::move(values)},
        host_{to_device ? values_ : std::vector<std::byte>(values_.size()), pinned},
        memory_{values_.size()} {
    if (!to_device) copy_bytes(memory_.data(), values_.data(), values_.size());
  }
  void run(const CudaEvent& start, Stream whole) {
    const OnDevice here{device_};
    check(cudaStreamWaitEvent(stream_.get(), start.get(), 0), "waiting for the copies' start");
    void* to = to_device_ ? memory_.data() : host_.data();
    const void* from = to_device_ ? host_.data() : memory_.data();
    check(cudaMemcpyAsync(to, from, values_.size(),
                          to_device_ ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost,
                          stream_.get()),
          "copying " + std::to_string(values_.size()) + " bytes");
    end_.record(stream_.get());
    check(cudaStreamWaitEvent(whole, end_.get(), 0), "waiting for a copy's end");
  }
  [[nodiscard]] std::vector<std::byte> target() {
    const OnDevice here{device_};
    stream_.synchronize();
    std::vector<std::byte> values(values_.size());
    copy_bytes(values.data(), to_device_ ? memory_.data() : host_.data(), values.size());
    return values;
  }
  [[nodiscard]] const std::vector<std::byte>& values() const { return values_; }

 private:
  int device_;
  bool to_device_;
  std::vector<std::byte> values_;
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
              device, to_device, pattern(shape.bytes, copies_.size() + 1), kind.pinned));
    }
  }
  void run(Stream stream) override {
    start_.record(stream);
    for (auto& copy : copies_) copy->run(start_, stream);
  }
  [[nodiscard]] std::vector<std::vector<std::byte>> targets() override {
    std::vector<std::vector<std::byte>> all;
    for (auto& copy : copies_) all.push_back(copy->target());
    return all;
  }
  [[nodiscard]] std::vector<std::vector<std::byte>> expected() const override {
    std::vector<std::vector<std::byte>> all;
    for (const auto& copy : copies_) all.push_back(copy->values());
    return all;
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
