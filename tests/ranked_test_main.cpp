// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/ranked_test_main.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>

#include "runtime/mpi_plane.hpp"
#include "runtime/tcp_plane.hpp"

namespace moecal::testing {
namespace {

/// Owned by main(); gtest gives its tests no argument to pass it in.
std::unique_ptr<ControlPlane>& world_owner() {
  static std::unique_ptr<ControlPlane> plane;
  return plane;
}

/// The ranks other than 0 print their failures only.
class FailurePrinter : public ::testing::EmptyTestEventListener {
  void OnTestPartResult(const ::testing::TestPartResult& result) override {
    if (result.failed())
      std::fprintf(stderr, "rank %d: %s:%d: %s\n", world().rank(), result.file_name(),
                   result.line_number(), result.message());
  }
};

}  // namespace

ControlPlane& world() { return *world_owner(); }

}  // namespace moecal::testing

int main(int argc, char** argv) {
  using namespace moecal::testing;
  ::testing::InitGoogleTest(&argc, argv);
  world_owner() = moecal::make_mpi_plane(moecal::timeout_from_environment());
  auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
  if (world().rank() != 0) {
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailurePrinter);  // gtest owns it
  }
  int status = RUN_ALL_TESTS();
  status = static_cast<int>(world().max(status));
  world_owner().reset();
  return status;
}
