// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/memory.hpp"

#include <cstring>
#include <new>
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
