// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <string>
#include <utility>

#include "bench/benchmark.hpp"
#include "core/build.hpp"
#include "core/error.hpp"
#include "kernels/host_transfer/host_transfer.hpp"
#include "runtime/device_info.hpp"

namespace moecal::bench {
namespace {

using namespace literals;
using kernels::HostTransferKind;
using kernels::HostTransferShape;

constexpr std::array<std::pair<const char*, HostTransferKind>, 8> kKinds{
    {{"pinned_h2d", {.to_device = true}},
     {"pinned_d2h", {.to_host = true}},
     {"pinned_duplex", {.to_device = true, .to_host = true}},
     {"pageable_h2d", {.to_device = true, .pinned = false}},
     {"pageable_d2h", {.to_host = true, .pinned = false}},
     {"pinned_h2d_all_devices", {.to_device = true, .all_devices = true}},
     {"pinned_d2h_all_devices", {.to_host = true, .all_devices = true}},
     {"pinned_duplex_all_devices", {.to_device = true, .to_host = true, .all_devices = true}}}};

HostTransferKind kind_of(const std::string& implementation) {
  for (const auto& [name, kind] : kKinds)
    if (implementation == name) return kind;
  throw Unsupported{"there is no copy named " + implementation};
}

/// Asked once, and only where something is measured: a list of points needs no device.
int devices_of_this_host() {
  static const auto count = static_cast<int>(find_cuda_devices().devices.size());
  return count;
}

class HostTransferTrial final : public Trial {
 public:
  HostTransferTrial(const HostTransferShape& shape, const HostTransferKind& kind)
      : shape_{shape}, kind_{kind} {
    if (shape.bytes < 1) throw Unsupported{"there is nothing to copy"};
    if (kind.all_devices && devices_ < 2)
      throw Unsupported{"this host has " + std::to_string(devices_) +
                        " CUDA device(s): copies of all at once are those of the one"};
  }
  void launch(int set, Stream stream) override {
    sets_[static_cast<std::size_t>(set)]->run(stream);
  }
  [[nodiscard]] Bytes footprint() const override {
    return kernels::host_transfer_work(shape_, kind_).sent;
  }
  [[nodiscard]] Bytes host_memory() const override {
    return kernels::host_memory_of(shape_, kind_, devices_);
  }
  /// Of each way: the wait for its start, the copy, and an event; pageable copies may wait.
  [[nodiscard]] int enqueues() const override { return kind_.pinned && !kind_.all_devices ? 9 : 0; }
  void prepare(int sets) override {
    if constexpr (build::has_cuda)
      for (int set = 0; set < sets; ++set)
        sets_.push_back(kernels::make_host_transfer(shape_, kind_));
  }
  [[nodiscard]] VerificationResult verify() override {
    return {sets_.front()->arrived() ? 0.0 : 1.0, 0.0, "full"};
  }
  [[nodiscard]] LibraryInfo library() const override {
    return {"cuda_runtime", cuda_runtime_version(), "cudaMemcpyAsync", 0};
  }
  [[nodiscard]] std::string filled_with() const override { return "pattern of its index"; }

 private:
  int devices_ = devices_of_this_host();
  HostTransferShape shape_;
  HostTransferKind kind_;
  std::vector<std::unique_ptr<kernels::HostTransfer>> sets_;
};

class HostTransfer final : public Benchmark {
 public:
  [[nodiscard]] std::string operation() const override { return "host_transfer"; }
  [[nodiscard]] PointTimes point_times() const override {
    return {Seconds{0.013}, Seconds{0.17}, Seconds{1.08}};
  }
  [[nodiscard]] std::vector<Case> sweep(Suite suite, const std::string&, int) const override {
    std::vector<std::int64_t> sizes{64_KiB, 16_MiB};
    // The planning documents' copies: a layer's states, a rank's gradients. The latter's buffers
    // alone take longer to prepare than a planner may, and say nothing that a gigabyte does not.
    if (suite != Suite::quick) sizes.insert(sizes.end(), {1_MiB, 64_MiB, 4_KiB, 1'000'000'000});
    if (suite == Suite::full) sizes.insert(sizes.end(), {256_KiB, 4_MiB, 256_MiB, 11'675'698'176});
    std::vector<Case> cases;
    for (const auto bytes : sizes) {
      Case c;
      c.point = {{"bytes", bytes}};
      c.dtypes.a = c.dtypes.c = "uint8";
      cases.push_back(c);
    }
    return cases;
  }
  // Of one way of one device: a case does not know its implementation.
  [[nodiscard]] Work work(const Case& c) const override {
    return kernels::host_transfer_work({c.point.at("bytes")}, {.to_device = true});
  }
  [[nodiscard]] Work work_by(const Implementation& implementation, const Case& c) const override {
    return kernels::host_transfer_work({c.point.at("bytes")}, kind_of(implementation.name),
                                       devices_of_this_host());
  }
  [[nodiscard]] std::vector<Implementation> implementations() const override {
    std::vector<Implementation> found;
    if constexpr (build::has_cuda)
      for (const auto& [name, kind] : kKinds) found.push_back({name, "cuda"});
    return found;
  }
  // The link is far slower than any cache.
  [[nodiscard]] bool has_cold_form() const override { return false; }
  [[nodiscard]] std::unique_ptr<Trial> make_trial(const Implementation& implementation,
                                                  const Case& c, Context&) const override {
    return std::make_unique<HostTransferTrial>(HostTransferShape{c.point.at("bytes")},
                                               kind_of(implementation.name));
  }
};

}  // namespace

std::unique_ptr<Benchmark> make_host_transfer() { return std::make_unique<HostTransfer>(); }

}  // namespace moecal::bench
