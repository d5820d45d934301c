// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/warm_up.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include "core/statistics.hpp"

namespace moecal::bench {
namespace {

constexpr std::size_t kWindow = 3;     // batches whose median is compared with the window before
constexpr double kStillFaster = 0.98;  // a window this much faster than the last is a trend
constexpr std::size_t kMostBatches = 50;

}  // namespace

void WarmUp::add(Seconds batch) {
  batches_s_.push_back(batch.count());
  spent_ += batch;
}

int WarmUp::wanted(Seconds each) const {
  const double fitting = std::ceil((cap_ - spent_) / std::max(each, Seconds{1e-9}));
  return static_cast<int>(std::clamp<double>(fitting, 1, kWindow));
}

bool WarmUp::finished() const {
  const auto count = batches_s_.size();
  if (count > 0 && (spent_ >= cap_ || count >= kMostBatches)) return true;
  if (count < 2 * kWindow) return false;
  const std::span<const double> all{batches_s_};
  const double newer = median(all.last(kWindow));
  const double older = median(all.last(2 * kWindow).first(kWindow));
  return newer >= kStillFaster * older;
}

}  // namespace moecal::bench
