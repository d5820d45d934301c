// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/fill.hpp"

#include <bit>
#include <map>
#include <mutex>
#include <random>
#include <tuple>
#include <utility>

#include "core/element.hpp"

namespace moecal {
namespace {

using Period = PeriodicBytes::Period;

Period make_period(const UniformFill& fill, std::size_t elements) {
  const auto element = static_cast<std::size_t>(size_of(fill.dtype));
  std::vector<std::byte> bytes(elements * element);
  std::mt19937_64 engine{fill.seed};
  for (std::size_t at = 0; at < bytes.size(); at += element) {
    const double unit = static_cast<double>(engine() >> 11) * 0x1p-52 - 1.0;
    encode_element(fill.dtype, fill.largest * unit, bytes.data() + at);
  }
  return std::make_shared<const std::vector<std::byte>>(std::move(bytes));
}

/// The periods made so far. A fill that has been wanted for few elements is begun only.
class Periods {
 public:
  [[nodiscard]] Period of(const UniformFill& fill, std::size_t elements) {
    const std::size_t wanted = std::min(kFillPeriod, std::bit_ceil(elements));
    const std::lock_guard lock{mutex_};
    auto& kept = kept_[{fill.dtype, fill.seed, fill.largest}];
    if (kept == nullptr || kept->size() < wanted * static_cast<std::size_t>(size_of(fill.dtype)))
      kept = make_period(fill, wanted);
    return kept;
  }

 private:
  std::mutex mutex_;
  std::map<std::tuple<Dtype, std::uint64_t, double>, Period> kept_;
};

}  // namespace

PeriodicBytes uniform_bytes(const UniformFill& fill, std::int64_t count) {
  static Periods periods;
  if (count == 0) return {};
  const auto elements = static_cast<std::size_t>(count);
  return {periods.of(fill, elements), elements * static_cast<std::size_t>(size_of(fill.dtype))};
}

PeriodicBytes pattern_bytes(std::uint64_t start, std::int64_t count) {
  const auto size = static_cast<std::size_t>(count);
  std::vector<std::byte> period(std::min(size, kFillPeriod));
  for (std::size_t i = 0; i < period.size(); ++i)
    period[i] = static_cast<std::byte>((start + i * 2654435761U) >> 13);
  return {std::make_shared<const std::vector<std::byte>>(std::move(period)), size};
}

}  // namespace moecal
