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
#include "runtime/event.hpp"

namespace moecal::kernels {
namespace {

// Of what lies in device memory, so much at a time passes through the host's.
constexpr std::int64_t kChunk = std::int64_t{64} << 20;

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

/// `of_part(first byte, bytes)` for all parts of so many bytes, while it is true.
template <class OfPart>
bool in_parts(std::int64_t bytes, OfPart&& of_part) {
  for (std::int64_t first = 0; first < bytes; first += kChunk)
    if (!of_part(first, std::min(kChunk, bytes - first))) return false;
  return true;
}

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
        pattern_{way.number},
        host_{bytes, way.pinned},
        memory_{static_cast<std::size_t>(bytes)} {
    check(cudaMemset(memory_.data(), 0, memory_.size()), "clearing device memory");
    if (way.to_device)
      pattern_.fill(host_.bytes(), 0);
    else
      fill_device();
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
    if (!way_.to_device) return pattern_.is_in(host_.bytes(), 0);
    std::vector<std::byte> part(static_cast<std::size_t>(std::min(kChunk, bytes_)));
    return in_parts(bytes_, [&](std::int64_t first, std::int64_t count) {
      const std::span here_of_it{part.data(), static_cast<std::size_t>(count)};
      copy_bytes(here_of_it.data(), memory_.data() + first, here_of_it.size());
      return pattern_.is_in(here_of_it, first);
    });
  }

 private:
  void fill_device() {
    std::vector<std::byte> part(static_cast<std::size_t>(std::min(kChunk, bytes_)));
    in_parts(bytes_, [&](std::int64_t first, std::int64_t count) {
      const std::span here_of_it{part.data(), static_cast<std::size_t>(count)};
      pattern_.fill(here_of_it, first);
      copy_bytes(memory_.data() + first, here_of_it.data(), here_of_it.size());
      return true;
    });
  }

  Way way_;
  std::int64_t bytes_;
  TransferPattern pattern_;
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
