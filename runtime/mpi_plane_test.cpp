// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/mpi_plane.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/plane_conformance.hpp"
#include "tests/ranked_test_main.hpp"

namespace moecal {
namespace {

TEST(MpiPlane, Conforms) { testing::expect_conformance(testing::world()); }

TEST(MpiPlane, HasANativeCommunicator) { EXPECT_NE(testing::world().native(), nullptr); }

TEST(MpiPlane, KnowsTheLibraryThatRuns) {
  EXPECT_THAT(mpi_library_version(), ::testing::AnyOf(::testing::StartsWith("Open MPI v"),
                                                      ::testing::StartsWith("MPICH")));
}

}  // namespace
}  // namespace moecal
