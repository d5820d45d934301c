// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/periodic_bytes.hpp"

#include <cstring>
#include <string>
#include <utility>

#include "core/error.hpp"

namespace moecal {

PeriodicBytes::PeriodicBytes(Period period, std::size_t size)
    : period_{std::move(period)}, size_{size} {
  if (size > 0 && (period_ == nullptr || period_->empty()))
    throw Error{std::to_string(size) + " bytes cannot repeat a period of none"};
}

PeriodicBytes::PeriodicBytes(std::vector<std::byte> bytes)
    : period_{std::make_shared<const std::vector<std::byte>>(std::move(bytes))},
      size_{period_->size()} {}

std::span<const std::byte> PeriodicBytes::stretch(std::size_t first) const {
  const std::size_t at = (start_ + first) % period_->size();
  return std::span{*period_}.subspan(at, std::min(period_->size() - at, size_ - first));
}

void PeriodicBytes::copy(std::size_t first, std::span<std::byte> to) const {
  for (std::size_t done = 0; done < to.size();) {
    const auto from = stretch(first + done);
    const std::size_t count = std::min(from.size(), to.size() - done);
    std::memcpy(to.data() + done, from.data(), count);
    done += count;
  }
}

bool PeriodicBytes::equals(std::size_t first, std::span<const std::byte> bytes) const {
  for (std::size_t done = 0; done < bytes.size();) {
    const auto own = stretch(first + done);
    const std::size_t count = std::min(own.size(), bytes.size() - done);
    if (std::memcmp(bytes.data() + done, own.data(), count) != 0) return false;
    done += count;
  }
  return true;
}

std::vector<std::byte> PeriodicBytes::whole() const {
  std::vector<std::byte> bytes(size_);
  copy(0, bytes);
  return bytes;
}

PeriodicBytes PeriodicBytes::part(std::size_t first, std::size_t count) const {
  if (count > size_ || first > size_ - count)
    throw Error{std::to_string(count) + " bytes from byte " + std::to_string(first) +
                " are not in an array of " + std::to_string(size_)};
  PeriodicBytes of_it{period_, count};
  of_it.start_ = count == 0 ? 0 : (start_ + first) % period_->size();
  return of_it;
}

}  // namespace moecal
