// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "core/error.hpp"
#include "runtime/control_plane.hpp"
#include "runtime/waiting.hpp"

namespace moecal {
namespace {

class SingleRankPlane final : public ControlPlane {
 public:
  [[nodiscard]] int rank() const override { return 0; }
  [[nodiscard]] int size() const override { return 1; }
  void barrier() override {}
  using ControlPlane::max;
  void max(std::span<double>) override {}
  void broadcast(std::span<char>, int) override {}
  [[nodiscard]] std::unique_ptr<ControlPlane> split(int) override {
    return make_single_rank_plane();
  }
  [[noreturn]] void abort(int exit_status, const std::string& reason) override {
    report_giving_up(0, 1, reason);
    std::_Exit(exit_status);
  }
};

}  // namespace

std::unique_ptr<ControlPlane> make_single_rank_plane() {
  return std::make_unique<SingleRankPlane>();
}

}  // namespace moecal
