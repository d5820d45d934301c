// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/device_memory.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "runtime/buffer.hpp"

namespace moecal::device_memory {
namespace {

// Behind what the default stream was given before.
void copy_on_device(std::byte* to, const std::byte* from, std::size_t bytes) {
  const auto status = cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, cudaStreamLegacy);
  if (status != cudaSuccess)
    check(status, "copying " + std::to_string(bytes) + " bytes on the device");
}

void wait_for_copies() {
  check(cudaStreamSynchronize(cudaStreamLegacy), "waiting for copies on the device");
}

// In two pieces where the array starts inside a period.
void write_period(std::byte* to, const PeriodicBytes& bytes) {
  for (std::size_t done = 0; done < bytes.period();) {
    const auto piece = bytes.stretch(done);
    const std::size_t count = std::min(piece.size(), bytes.period() - done);
    copy_bytes(to + done, piece.data(), count);
    done += count;
  }
}

/// Past the last of the rows that follow `row` both here and in the array.
template <class Iterator>
Iterator end_of_run(Iterator row, Iterator end) {
  const auto last = std::adjacent_find(row, end, [](auto a, auto b) { return b != a + 1; });
  return last == end ? end : std::next(last);
}

void wait_for_device() { check(cudaDeviceSynchronize(), "waiting for the device"); }

}  // namespace

void* allocate(std::size_t bytes) {
  DeviceBuffer buffer{bytes};
  check(cudaMemset(buffer.data(), 0, bytes), "zeroing " + std::to_string(bytes) + " bytes");
  // It may return before it is done, and streams that do not block would not wait for it.
  check(cudaStreamSynchronize(cudaStreamLegacy), "waiting for the zeros");
  return buffer.release();
}

void release(void* data) noexcept { check_in_destructor(cudaFree(data), "freeing device memory"); }

void write(void* to, const void* from, std::size_t bytes) { copy_bytes(to, from, bytes); }

// What is there is always whole periods, so that what is copied behind it goes on where it ends.
void write(void* to, const PeriodicBytes& bytes) {
  auto* start = static_cast<std::byte*>(to);
  write_period(start, bytes);
  if (bytes.size() == bytes.period()) return;
  for (std::size_t done = bytes.period(); done < bytes.size();) {
    const std::size_t count = std::min(done, bytes.size() - done);
    copy_on_device(start + done, start, count);
    done += count;
  }
  wait_for_copies();
}

void read(void* to, const void* from, std::size_t bytes) {
  wait_for_device();
  copy_bytes(to, from, bytes);
}

bool holds(const void* from, const PeriodicBytes& bytes) {
  constexpr std::size_t kPiece = std::size_t{64} << 20;
  wait_for_device();
  std::vector<std::byte> piece(std::min(kPiece, bytes.size()));
  for (std::size_t first = 0; first < bytes.size(); first += kPiece) {
    const std::span here{piece.data(), std::min(kPiece, bytes.size() - first)};
    copy_bytes(here.data(), static_cast<const std::byte*>(from) + first, here.size());
    if (!bytes.equals(first, here)) return false;
  }
  return true;
}

// They are brought together on the device: thousands of small copies over the bus would take longer
// than one large one. Rows that are neighbours there are one copy.
void read_rows(void* to, const Rows& from) {
  wait_for_device();
  const DeviceBuffer together{from.rows.size() * from.row_bytes};
  std::size_t done = 0;
  for (auto row = from.rows.begin(); row != from.rows.end();) {
    const auto end = end_of_run(row, from.rows.end());
    const std::size_t first = static_cast<std::size_t>(*row) * from.row_bytes;
    const auto rows = static_cast<std::size_t>(std::distance(row, end));
    const std::size_t count = std::min(rows * from.row_bytes, from.bytes - first);
    row = end;
    copy_on_device(together.data() + done, static_cast<const std::byte*>(from.array) + first,
                   count);
    done += count;
  }
  copy_bytes(to, together.data(), done);
}

}  // namespace moecal::device_memory
