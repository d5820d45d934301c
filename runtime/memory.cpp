// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/memory.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <span>
#include <string>
#include <utility>

#include "core/build.hpp"
#include "core/error.hpp"
#include "runtime/device_memory.hpp"
#include "runtime/device_slabs.hpp"

namespace moecal {
namespace {

constexpr std::align_val_t kAlignment{64};

void* allocate_on_host(std::size_t bytes) {
  void* data = ::operator new(bytes, kAlignment, std::nothrow);
  if (data == nullptr)
    throw Unsupported{"this machine has no " + std::to_string(bytes) + " bytes of memory left"};
  return std::memset(data, 0, bytes);
}

void* allocate_on_device([[maybe_unused]] std::size_t bytes) {
  if constexpr (build::has_cuda)
    return device_slabs::allocate(bytes);
  else
    throw Unsupported{"this build has no CUDA: device memory cannot be had"};
}

}  // namespace

Memory::Memory(Place place, std::size_t bytes) : place_{place}, bytes_{bytes} {
  if (bytes == 0) return;
  data_ = place == Place::host ? allocate_on_host(bytes) : allocate_on_device(bytes);
}

Memory::~Memory() {
  if (data_ == nullptr) return;
  if (place_ == Place::host) ::operator delete(data_, kAlignment);
  if constexpr (build::has_cuda)
    if (place_ == Place::device) device_slabs::release(data_);
}

Memory::Memory(Memory&& other) noexcept
    : place_{other.place_}, bytes_{other.bytes_}, data_{std::exchange(other.data_, nullptr)} {}

Memory& Memory::operator=(Memory&& other) noexcept {
  std::swap(place_, other.place_);
  std::swap(bytes_, other.bytes_);
  std::swap(data_, other.data_);
  return *this;
}

Memory Memory::of(Place place, const PeriodicBytes& bytes) {
  Memory memory{place, bytes.size()};
  if (bytes.size() == 0) return memory;
  if (place == Place::host) bytes.copy(0, {memory.as<std::byte>(), bytes.size()});
  if constexpr (build::has_cuda)
    if (place == Place::device) device_memory::write(memory.data_, bytes);
  return memory;
}

std::vector<std::byte> Memory::rows_to_host(const std::vector<std::int64_t>& rows,
                                            std::int64_t row_bytes) const {
  const auto size = static_cast<std::size_t>(row_bytes);
  const auto bytes_of = [&](std::int64_t row) {
    return std::min(size, bytes_ - static_cast<std::size_t>(row) * size);
  };
  std::size_t total = 0;
  for (const auto row : rows) total += bytes_of(row);
  std::vector<std::byte> host(total);
  if constexpr (build::has_cuda)
    if (place_ == Place::device) {
      device_memory::read_rows(host.data(), {data_, bytes_, size, rows});
      return host;
    }
  std::size_t done = 0;
  for (const auto row : rows) {
    std::copy_n(as<std::byte>() + row * row_bytes, bytes_of(row), host.data() + done);
    done += bytes_of(row);
  }
  return host;
}

bool Memory::holds(const PeriodicBytes& bytes) const {
  if (bytes.size() != bytes_) return false;
  if constexpr (build::has_cuda)
    if (place_ == Place::device) return device_memory::holds(data_, bytes);
  return bytes.equals(0, {as<std::byte>(), bytes_});
}

void Memory::check_size(std::size_t bytes) const {
  if (bytes != bytes_)
    throw Error{std::to_string(bytes) + " bytes cannot overwrite memory of " +
                std::to_string(bytes_)};
}

void Memory::write(const void* from) {
  if (bytes_ == 0) return;
  if (place_ == Place::host) std::memcpy(data_, from, bytes_);
  if constexpr (build::has_cuda)
    if (place_ == Place::device) device_memory::write(data_, from, bytes_);
}

void Memory::read(void* to) const {
  if (bytes_ == 0) return;
  if (place_ == Place::host) std::memcpy(to, data_, bytes_);
  if constexpr (build::has_cuda)
    if (place_ == Place::device) device_memory::read(to, data_, bytes_);
}

}  // namespace moecal
