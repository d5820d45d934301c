// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/activity.hpp"

#include <utility>

namespace moecal {

void Activity::begin(std::string point) {
  const std::lock_guard lock{mutex_};
  point_ = std::move(point);
  step_ = "beginning";
  limit_ = Limit::own_work;
  allowed_ = Seconds{0};
  beat();
}

void Activity::step(const char* name, Limit limit, Seconds allowed) {
  const std::lock_guard lock{mutex_};
  step_ = name;
  limit_ = limit;
  allowed_ = allowed;
  beat();
}

Activity::State Activity::state() const {
  const std::lock_guard lock{mutex_};
  return {.where = point_.empty() ? "no point yet" : point_ + ", step '" + step_ + "'",
          .beats = beats_.load(std::memory_order_relaxed),
          .limit = limit_,
          .allowed = allowed_};
}

}  // namespace moecal
