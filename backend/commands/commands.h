/* commands.h - `wardscribe NAME …`: one function per command, argv[0] is "wardscribe NAME". */
#ifndef COMMANDS_COMMANDS_H
#define COMMANDS_COMMANDS_H

int command_serve(int argc, char **argv);
int command_replay(int argc, char **argv);
int command_simulate(int argc, char **argv);
int command_data(int argc, char **argv);
int command_export(int argc, char **argv);
int command_user(int argc, char **argv);
int command_verify(int argc, char **argv);
int command_model(int argc, char **argv);
int command_retrain(int argc, char **argv);
int command_guard(int argc, char **argv);
int command_config(int argc, char **argv);

#endif
