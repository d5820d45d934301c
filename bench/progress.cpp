// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/progress.hpp"

#include <sstream>

namespace moecal::bench {
namespace {

constexpr std::chrono::seconds kPlainInterval{10};

}  // namespace

double Progress::elapsed_s() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
}

std::string Progress::line(const std::string& name) const {
  std::ostringstream text;
  text << "[" << done_ << "/" << total_ << "] ";
  if (done_ > 0 && total_ > done_) {
    const double left =
        elapsed_s() / static_cast<double>(done_) * static_cast<double>(total_ - done_);
    text << "about " << static_cast<long>(left + 0.5) << " s left  ";
  }
  text << name;
  return text.str();
}

void Progress::point(const std::string& name) {
  const auto now = std::chrono::steady_clock::now();
  if (terminal_) {
    stream_ << "\r\033[K" << line(name).substr(0, 110) << std::flush;
  } else if (done_ == 0 || now - last_line_ >= kPlainInterval) {
    stream_ << line(name) << std::endl;
    last_line_ = now;
  }
}

void Progress::point_done() {
  ++done_;
  if (terminal_) stream_ << "\r\033[K" << std::flush;
}

}  // namespace moecal::bench
