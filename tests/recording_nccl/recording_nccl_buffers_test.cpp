// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// NCCL says success where it knows nothing of the memory: such calls must not be timed as if.
#include <cstdlib>

#include "tests/recording_nccl/recording_nccl_ranks.hpp"

namespace moecal::collectives {
namespace {

/// Of the environment while it lives, as the ranks' NCCL reads it.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_{name} { setenv(name, value, 1); }
  ~Variable() { unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

/// What each rank's all-reduce is refused with before its first call; empty where it is not.
std::vector<std::string> refusals(const char* implementation) {
  std::vector<std::string> found(kWorld);
  const auto problems = on_ranks([&](ControlPlane& world) {
    bench::Context context{world, 0};
    const auto benchmark = bench::make_all_reduce();
    try {
      benchmark->make_trial({implementation, "nccl"}, case_of(kShape, kAll), context)->prepare(1);
    } catch (const Unsupported& refusal) {
      found[static_cast<std::size_t>(world.rank())] = refusal.what();
    }
  });
  EXPECT_THAT(problems, Each(""));
  EXPECT_EQ(fake_nccl().live_registrations(), 0);
  return found;
}

/// How often rank 0 called a function.
std::size_t count(const char* function) { return fake_nccl().calls(0, function).size(); }

class Windows : public RecordingNccl, public ::testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    RecordingNccl::SetUp();
    fake_nccl().version = GetParam();
  }
  /// Only the plain registration that 2.28 gives for a window is there to be taken back.
  void expect_taken_back() {
    EXPECT_EQ(count("ncclCommWindowRegister"), 1U);
    EXPECT_EQ(count("ncclCommWindowDeregister"), GetParam() < 22'900 ? 1U : 0U);
  }
};
INSTANTIATE_TEST_SUITE_P(Releases, Windows, ::testing::Values(22'803, 22'809, 22'902, 23'007));

TEST_P(Windows, AreMeasuredWhereTheyAreMade) {
  EXPECT_THAT(refusals("nccl_symmetric"), Each(""));
  EXPECT_EQ(count("ncclCommWindowDeregister"), 2U) << "what is sent, what is received";
}

TEST_P(Windows, AreNotMeasuredBetweenGpusThatDoNotReachEachOther) {
  fake_nccl().all_gpus_reach = false;
  EXPECT_THAT(refusals("nccl_symmetric"), Each(HasSubstr("NCCL made no symmetric window")));
  expect_taken_back();
}

TEST_P(Windows, AreNotMeasuredWhereTheyAreSwitchedOff) {
  const Variable off{"NCCL_WIN_ENABLE", "0"};
  EXPECT_THAT(refusals("nccl_symmetric"), Each(HasSubstr("NCCL_WIN_ENABLE=0")));
  expect_taken_back();
}

TEST_P(Windows, AreNotMeasuredWhereNeitherKindIsMade) {
  const Variable windows{"NCCL_WIN_ENABLE", "0"}, registrations{"NCCL_LOCAL_REGISTER", "0"};
  EXPECT_THAT(refusals("nccl_symmetric"), Each(HasSubstr("NCCL made no symmetric window")));
  EXPECT_EQ(count("ncclCommWindowDeregister"), 0U) << "there is none";
}

TEST_P(Windows, AreAnotherMatterThanRegistrations) {
  fake_nccl().all_gpus_reach = false;
  EXPECT_THAT(refusals("nccl_registered"), Each(""));
  EXPECT_EQ(count("ncclCommDeregister"), 2U);
}

TEST_F(RecordingNccl, ARegistrationThatIsNoneIsNotMeasured) {
  const Variable off{"NCCL_LOCAL_REGISTER", "0"};
  EXPECT_THAT(refusals("nccl_registered"), Each(HasSubstr("NCCL did not register the buffer")));
  EXPECT_EQ(count("ncclCommDeregister"), 0U);
  EXPECT_THAT(refusals("nccl"), Each(""));
}

// It gives the same for a plain registration: of several nodes, of GPUs that do not reach each
// other, of whatever is switched off.
TEST_F(RecordingNccl, WindowsOfAReleaseThatDoesNotTellAreNotMeasured) {
  fake_nccl().version = 22'703;
  EXPECT_THAT(refusals("nccl_symmetric"),
              Each("NCCL 2.27.3 has no symmetric windows, or does not tell whether it made one "
                   "(2.28 tells)"));
  EXPECT_EQ(count("ncclCommWindowRegister"), 0U);
  EXPECT_THAT(refusals("nccl_registered"), Each(""));
}

}  // namespace
}  // namespace moecal::collectives
